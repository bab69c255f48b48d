#include "tests/minitablet/testkit/writer.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <stdexcept>
#include <utility>

#include "lib/base/boot_clock.h"
#include "lib/rpc/channel.h"
#include "lib/zookeeper/session.h"
#include "proto/table_info.pb.h"
#include "tests/minitablet/testkit/znodes.h"

namespace failoverd::testkit {

using Clock = std::chrono::steady_clock;
using zookeeper::Code;
using zookeeper::SessionState;

namespace {

std::chrono::microseconds since(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from);
}

// People read these, so no exponents.
std::string in_ms(std::chrono::microseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(time.count()) / 1000);
  return text;
}

std::string quoted(const std::string& text) {
  return boost::json::serialize(boost::json::string(text));
}

zookeeper::Session::Options session_options(const Writer::Options& of) {
  zookeeper::Session::Options options;
  options.hosts = of.zookeeper;
  options.digest_auth = of.identity;
  options.timeout = std::chrono::seconds{10};
  return options;
}

// Two writers never write the same key.
std::string fresh_name() {
  std::random_device random;
  char text[16];
  std::snprintf(text, sizeof text, "w%08x", random());
  return text;
}

}  // namespace

// One partition: at most one put is under way to the leader that the metadata names now. A put to
// an earlier one is not waited for, but if it is acknowledged after all the row counts.
struct Stream {
  explicit Stream(boost::asio::io_context& io) : timer{io} {}

  Writer::Partition about;
  std::string leader;         // Empty: none is known.
  std::uint64_t term = 0;     // The last one of the partition's history.
  std::uint64_t routing = 0;  // Grows when the leader changes.
  bool under_way = false;     // To the present leader.
  std::uint64_t next_row = 0;
  Clock::time_point last_ack;
  Clock::time_point due;
  boost::asio::steady_timer timer;
};

struct Writer::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& loop, Options wanted)
      : io{loop},
        options{std::move(wanted)},
        session{std::make_unique<zookeeper::Session>(loop, session_options(options))} {}

  void start();
  void read_tables();
  void read_names();
  void read_table(const std::string& path);
  void take(const fedb::TableInfo& info);
  void schedule(Stream& stream, Clock::duration pause);
  void put(Stream& stream);
  void answered(Stream& stream, std::uint64_t routing, AckedRow row, const rpc::Answer& answer);
  void note_gap(Stream& stream, Clock::time_point until) const;
  void write_down(const AckedRow& row);

  boost::asio::io_context& io;
  const Options options;
  const std::string name = fresh_name();
  std::unique_ptr<zookeeper::Session> session;
  std::map<std::string, std::string> names;  // With use_name: the addresses behind them.
  std::map<std::string, std::unique_ptr<rpc::Channel>> channels;  // By address.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::unique_ptr<Stream>> streams;
  Clock::time_point began;
  std::size_t under_way = 0;
  bool stopped = false;
  std::vector<AckedRow> acked;
  std::ofstream file;
};

void Writer::State::start() {
  began = Clock::now();
  if (!options.acked_file.empty()) {
    file.open(options.acked_file, std::ios::app);
    if (!file) throw std::runtime_error(options.acked_file.string() + ": cannot be written");
  }
  session->on_state = [weak = weak_from_this()](SessionState state, bool) {
    const auto self = weak.lock();
    if (self && !self->stopped && state == SessionState::kConnected) self->read_tables();
  };
  session->start();
}

// The watch on notify is set before the tables are read: no change is missed.
void Writer::State::read_tables() {
  const auto again = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->stopped) self->read_tables();
  };
  read_names();
  session->get(
      options.root + "/table/notify", [](Code, std::string, zookeeper::Stat) {}, again);
  if (!options.tables.empty()) {
    for (const std::string& table : options.tables) {
      read_table(options.root + "/" + kTableParents[0] + "/" + table);
    }
    return;
  }
  for (const char* parent : kTableParents) {
    const std::string path = options.root + "/" + parent;
    session->children(path, [weak = weak_from_this(), path](
                                Code code, const std::vector<std::string>& all, zookeeper::Stat) {
      const auto self = weak.lock();
      if (!self || code != Code::kOk) return;
      for (const std::string& table : all) self->read_table(path + "/" + table);
    });
  }
}

// A put to a leader whose address is not known yet fails, and is tried again.
void Writer::State::read_names() {
  const std::string path = options.root + "/map/names";
  const auto take = [weak = weak_from_this(), path](Code code, const std::vector<std::string>& all,
                                                    zookeeper::Stat) {
    const auto self = weak.lock();
    if (!self || code != Code::kOk) return;
    for (const std::string& one : all) {
      self->session->get(path + "/" + one,
                         [weak, one](Code got, const std::string& address, zookeeper::Stat) {
                           const auto still = weak.lock();
                           if (still && got == Code::kOk) still->names[one] = address;
                         });
    }
  };
  session->children(path, take);
}

void Writer::State::read_table(const std::string& path) {
  session->get(
      path, [weak = weak_from_this()](Code code, const std::string& bytes, zookeeper::Stat) {
        const auto self = weak.lock();
        fedb::TableInfo info;
        if (!self || self->stopped || code != Code::kOk) return;
        const bool parsed = minitablet::parse_partial(bytes, *self->options.generation, info);
        if (parsed && info.IsInitialized()) self->take(info);
      });
}

void Writer::State::take(const fedb::TableInfo& info) {
  for (const fedb::TablePartition& partition : info.table_partition()) {
    auto& stream = streams[{info.tid(), partition.pid()}];
    if (!stream) {
      stream = std::make_unique<Stream>(io);
      stream->about.table = info.name();
      stream->about.tid = info.tid();
      stream->about.pid = partition.pid();
      stream->last_ack = stream->due = Clock::now();
    }
    std::string leader;
    for (const fedb::PartitionMeta& row : partition.partition_meta()) {
      if (row.is_leader() && row.is_alive()) leader = row.endpoint();
    }
    if (partition.term_offset_size() > 0) {
      stream->term = partition.term_offset(partition.term_offset_size() - 1).term();
    }
    if (leader == stream->leader) continue;
    stream->leader = leader;
    ++stream->routing;
    stream->under_way = false;
    if (!leader.empty()) schedule(*stream, Clock::duration::zero());
  }
}

void Writer::State::schedule(Stream& stream, Clock::duration pause) {
  stream.timer.expires_after(pause);
  stream.timer.async_wait(
      [weak = weak_from_this(), &stream](const boost::system::error_code& error) {
        if (error) return;
        if (const auto self = weak.lock()) self->put(stream);
      });
}

void Writer::State::put(Stream& stream) {
  if (stopped || stream.leader.empty() || stream.under_way) return;
  const auto named = names.find(stream.leader);
  const std::string& address = named == names.end() ? stream.leader : named->second;
  auto& channel = channels[address];
  if (!channel) channel = std::make_unique<rpc::Channel>(io, address, rpc::Channel::Options{});
  const std::uint64_t row_number = ++stream.next_row;
  AckedRow row;
  row.tid = stream.about.tid;
  row.pid = stream.about.pid;
  row.key = name + "-" + std::to_string(row.pid) + "-" + std::to_string(row_number);
  row.ts = row_number;
  row.value = std::to_string(row_number);
  row.value.resize(std::max(row.value.size(), options.value_bytes), '.');
  row.tablet = stream.leader;
  row.term = stream.term;
  row.sent = boot_now();
  fedb::PutRequest request;
  request.set_pk(row.key);
  request.set_time(static_cast<std::int64_t>(row.ts));
  request.set_value(row.value);
  request.set_tid(row.tid);
  request.set_pid(row.pid);
  stream.under_way = true;
  ++under_way;
  channel->call("TabletServer", "Put", request.SerializeAsString(), options.put_timeout,
                [weak = weak_from_this(), &stream, routing = stream.routing,
                 row = std::move(row)](const rpc::Answer& answer) {
                  if (const auto self = weak.lock()) self->answered(stream, routing, row, answer);
                });
}

void Writer::State::answered(Stream& stream, std::uint64_t routing, AckedRow row,
                             const rpc::Answer& answer) {
  --under_way;
  fedb::PutResponse response;
  const bool understood = answer.outcome == rpc::Outcome::kAnswered &&
                          response.ParseFromString(answer.payload) && response.has_code();
  const bool ok = understood && response.code() == 0;
  const auto now = Clock::now();
  if (ok) {
    ++stream.about.acks;
    note_gap(stream, now);
    stream.last_ack = now;
    write_down(row);
    row.acked = boot_now();
    if (options.keep_acked) acked.push_back(std::move(row));
  } else {
    ++stream.about.errors;
    stream.about.last_error =
        understood ? "code " + std::to_string(response.code()) : answer.error_text;
  }
  if (routing != stream.routing) return;
  stream.under_way = false;
  if (!ok) {  // The next one is due as before: what failed leaves no gap behind it.
    schedule(stream, options.retry_pause);
    return;
  }
  const auto period =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / options.rate));
  stream.due = std::max(stream.due + period, now - period);
  schedule(stream, std::max(stream.due - now, Clock::duration::zero()));
}

void Writer::State::note_gap(Stream& stream, Clock::time_point until) const {
  const auto gap = since(stream.last_ack, until);
  if (gap <= stream.about.longest_gap) return;
  stream.about.longest_gap = gap;
  stream.about.gap_began = since(began, stream.last_ack);
}

void Writer::State::write_down(const AckedRow& row) {
  if (!file.is_open()) return;
  file << row.tid << '\t' << row.pid << '\t' << row.key << '\t' << row.ts << '\t' << row.value
       << '\n';
}

Writer::Writer(boost::asio::io_context& io, Options options)
    : state_{std::make_shared<State>(io, std::move(options))} {}

Writer::~Writer() {
  stop();
  state_->session->close();
}

void Writer::start() { state_->start(); }

void Writer::stop() {
  if (std::exchange(state_->stopped, true)) return;
  for (const auto& [key, stream] : state_->streams) {
    stream->timer.cancel();
    state_->note_gap(*stream, Clock::now());
  }
  if (state_->file.is_open()) state_->file.flush();
}

bool Writer::idle() const { return state_->stopped && state_->under_way == 0; }

const std::vector<AckedRow>& Writer::acked() const { return state_->acked; }

void Writer::forget_gaps() {
  for (const auto& [key, stream] : state_->streams) {
    stream->about.longest_gap = stream->about.gap_began = std::chrono::microseconds{0};
  }
}

Writer::Summary Writer::summary() const {
  Summary summary;
  if (state_->file.is_open()) state_->file.flush();
  for (const auto& [key, stream] : state_->streams) {
    if (!state_->stopped) state_->note_gap(*stream, Clock::now());
    summary.acks += stream->about.acks;
    summary.errors += stream->about.errors;
    summary.longest_gap = std::max(summary.longest_gap, stream->about.longest_gap);
    summary.partitions.push_back(stream->about);
  }
  return summary;
}

std::string Writer::Summary::to_json(bool with_partitions) const {
  std::string out = "{\"acks\":" + std::to_string(acks) + ",\"errors\":" + std::to_string(errors) +
                    ",\"longest_gap_ms\":" + in_ms(longest_gap);
  if (!with_partitions) return out + "}";
  out += ",\"partitions\":[";
  for (const Partition& partition : partitions) {
    if (out.back() != '[') out += ',';
    out += "{\"table\":" + quoted(partition.table) + ",\"pid\":" + std::to_string(partition.pid) +
           ",\"acks\":" + std::to_string(partition.acks) +
           ",\"errors\":" + std::to_string(partition.errors) +
           ",\"longest_gap_ms\":" + in_ms(partition.longest_gap) +
           ",\"gap_began_ms\":" + in_ms(partition.gap_began) +
           ",\"last_error\":" + quoted(partition.last_error) + "}";
  }
  return out + "]}";
}

std::vector<AckedRow> read_acked(const std::filesystem::path& path) {
  std::ifstream file{path};
  if (!file) throw std::runtime_error(path.string() + ": cannot be read");
  std::vector<AckedRow> rows;
  AckedRow row;
  while (file >> row.tid >> row.pid >> row.key >> row.ts >> row.value) rows.push_back(row);
  return rows;
}

}  // namespace failoverd::testkit
