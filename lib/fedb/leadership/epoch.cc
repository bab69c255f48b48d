#include "lib/fedb/leadership/epoch.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

namespace failoverd::fedb {
namespace {

constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Of digits; kHighest where it is even higher.
std::int64_t number_of(std::string_view digits) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  return error == std::errc{} ? n : kHighest;
}

}  // namespace

NextEpoch next_epoch(const std::string& value, std::int64_t known) {
  const bool is_number = is_digits(value);
  const std::int64_t now = is_number ? number_of(value) : 0;
  const std::string shown = "\"" + value.substr(0, 40) + "\" ";
  if (std::max(now, known) == kHighest) {
    return {std::nullopt, shown + "leaves no epoch above it, or above " + std::to_string(known) +
                              ", which has been: write a decimal number below " +
                              std::to_string(kHighest) + "; nothing is done until then"};
  }
  NextEpoch next{std::max(now, known) + 1, ""};
  const std::string goes_on = "; goes on with " + std::to_string(*next.epoch);
  const bool is_new = value.empty() && known == 0;
  if (!is_number && !is_new) {
    next.wrong = shown + "is not a decimal number, as the epoch " + std::to_string(known) +
                 ", the highest known, would be" + goes_on;
  } else if (now < known) {
    next.wrong = shown + "is lower than the epoch " + std::to_string(known) +
                 ", which has been: it may only rise" + goes_on;
  }
  return next;
}

std::int64_t epoch_in(const std::string& record_name) {
  const std::string_view epoch = std::string_view{record_name}.substr(0, record_name.find('-'));
  if (!is_digits(epoch) || epoch.size() == record_name.size()) return 0;
  const std::int64_t n = number_of(epoch);
  return n < kHighest / 2 ? n : 0;  // No name of ours: garbage must not use up all epochs.
}

}  // namespace failoverd::fedb
