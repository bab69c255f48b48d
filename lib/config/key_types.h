// How the values of the key table are written: one factory for each kind of value, which makes the
// row's texts, its reader and its writer. Only keys.cc includes this.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lib/config/addresses.h"
#include "lib/config/keys.h"
#include "lib/config/units.h"

namespace failoverd::config {

struct Span {
  Duration least;
  Duration most;
  bool never = false;

  std::string text() const {
    return duration_text(least) + " to " + duration_text(most) + (never ? ", or never" : "");
  }
  Problem check(std::optional<Duration> given) const {
    if (!given) {
      return std::string{"is not a duration: write N(ms|s|m|h), such as 3s"} +
             (never ? ", or never" : "");
    }
    if (*given < least || *given > most) return "is out of range: write " + text();
    return std::nullopt;
  }
};

// The factories below take `at`, which gives the place in a Config where the value lives.

template <class At>
Key duration(std::string name, At at, Span span, std::string doc) {
  Key key{.name = std::move(name), .type = "duration", .range = span.text(), .doc = std::move(doc)};
  key.set = [at, span](Config& config, std::string_view text) -> Problem {
    const auto given = parse_duration(text);
    if (const Problem problem = span.check(given)) return problem;
    at(config) = *given;
    return std::nullopt;
  };
  key.get = [at](const Config& config) { return duration_text(at(config)); };
  return key;
}

template <class At>
Key duration_or_never(std::string name, At at, Span span, std::string doc) {
  span.never = true;
  Key key{.name = std::move(name), .type = "duration", .range = span.text(), .doc = std::move(doc)};
  key.set = [at, span](Config& config, std::string_view text) -> Problem {
    if (text == "never") {
      at(config) = std::nullopt;
      return std::nullopt;
    }
    const auto given = parse_duration(text);
    if (const Problem problem = span.check(given)) return problem;
    at(config) = *given;
    return std::nullopt;
  };
  key.get = [at](const Config& config) {
    return at(config) ? duration_text(*at(config)) : std::string{"never"};
  };
  return key;
}

struct Bounds {
  std::uint64_t least;
  std::uint64_t most;
  std::string word;  // What may stand instead of a number; empty: nothing.

  std::string text() const {
    return std::to_string(least) + " to " + std::to_string(most) +
           (word.empty() ? "" : ", or " + word);
  }
  Problem check(std::optional<std::uint64_t> given) const {
    if (!given) return "is not a whole number: write " + text();
    if (*given < least || *given > most) return "is out of range: write " + text();
    return std::nullopt;
  }
};

template <class At>
Key number(std::string name, At at, const Bounds& bounds, std::string doc) {
  Key key{.name = std::move(name), .type = "number", .range = bounds.text(), .doc = std::move(doc)};
  key.set = [at, bounds](Config& config, std::string_view text) -> Problem {
    const auto given = parse_number(text);
    if (Problem problem = bounds.check(given)) return problem;
    at(config) = static_cast<std::remove_reference_t<decltype(at(config))>>(*given);
    return std::nullopt;
  };
  key.get = [at](const Config& config) { return std::to_string(at(config)); };
  return key;
}

template <class At>
Key number_or_word(std::string name, At at, const Bounds& bounds, std::string doc) {
  Key key{.name = std::move(name), .type = "number", .range = bounds.text(), .doc = std::move(doc)};
  key.set = [at, bounds](Config& config, std::string_view text) -> Problem {
    if (text == bounds.word) {
      at(config) = std::nullopt;
      return std::nullopt;
    }
    const auto given = parse_number(text);
    if (Problem problem = bounds.check(given)) return problem;
    using Number = typename std::remove_reference_t<decltype(at(config))>::value_type;
    at(config) = static_cast<Number>(*given);
    return std::nullopt;
  };
  key.get = [at, word = bounds.word](const Config& config) {
    return at(config) ? std::to_string(*at(config)) : word;
  };
  return key;
}

// A value that is one of a few words.
template <class At, class Value>
Key choice(std::string name, At at, std::vector<std::pair<std::string, Value>> choices,
           std::string doc) {
  std::string range;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) range += i + 1 == choices.size() ? " or " : ", ";
    range += choices[i].first;
  }
  Key key{.name = std::move(name), .type = "word", .range = range, .doc = std::move(doc)};
  key.set = [at, choices, range](Config& config, std::string_view text) -> Problem {
    for (const auto& [word, value] : choices) {
      if (word != text) continue;
      at(config) = value;
      return std::nullopt;
    }
    return "is not known here: write " + range;
  };
  key.get = [at, choices](const Config& config) -> std::string {
    for (const auto& [word, value] : choices) {
      if (at(config) == value) return word;
    }
    return "absent";
  };
  return key;
}

template <class At>
Key yes_or_no(std::string name, At at, std::string doc) {
  return choice(std::move(name), at,
                std::vector<std::pair<std::string, bool>>{{"true", true}, {"false", false}},
                std::move(doc));
}

// Text that `check` approves of: nullopt, or what is wrong with it.
template <class At>
Key text(std::string name, At at, std::string range, Problem (*check)(std::string_view),
         std::string doc) {
  Key key{
      .name = std::move(name), .type = "text", .range = std::move(range), .doc = std::move(doc)};
  key.set = [at, check](Config& config, std::string_view given) -> Problem {
    if (Problem problem = check(given)) return problem;
    at(config) = given;
    return std::nullopt;
  };
  key.get = [at](const Config& config) { return at(config); };
  return key;
}

}  // namespace failoverd::config
