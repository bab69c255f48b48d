#include "tests/minitablet/record.h"

#include <boost/crc.hpp>
#include <boost/endian/conversion.hpp>

namespace failoverd::minitablet {
namespace {

namespace endian = boost::endian;

template <class T>
void put(std::string& out, T value) {
  endian::native_to_little_inplace(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T get(std::string_view in, std::size_t at) {
  return endian::endian_load<T, sizeof(T), endian::order::little>(
      reinterpret_cast<const unsigned char*>(in.data()) + at);
}

std::uint32_t checksum(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

}  // namespace

void append_frame(std::string& out, const Record& record) {
  std::string body;
  body.reserve(16 + record.entry.size());
  put(body, record.index);
  put(body, record.term);
  body += record.entry;
  put(out, static_cast<std::uint32_t>(record.entry.size()));
  put(out, checksum(body));
  out += body;
}

Frame take_frame(std::string_view& in, Record& record) {
  if (in.size() < kRecordHeaderBytes) return Frame::kPart;
  const std::size_t length = get<std::uint32_t>(in, 0);
  if (length > kMaxEntryBytes) return Frame::kDamaged;
  if (in.size() < kRecordHeaderBytes + length) return Frame::kPart;
  const std::string_view body = in.substr(8, 16 + length);
  if (checksum(body) != get<std::uint32_t>(in, 4)) return Frame::kDamaged;
  record.index = get<std::uint64_t>(in, 8);
  record.term = get<std::uint64_t>(in, 16);
  record.entry.assign(body.substr(16));
  in.remove_prefix(kRecordHeaderBytes + length);
  return Frame::kWhole;
}

}  // namespace failoverd::minitablet
