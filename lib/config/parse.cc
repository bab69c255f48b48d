#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "lib/base/utf8.h"
#include "lib/config/config.h"
#include "lib/config/keys.h"
#include "lib/config/quote.h"

namespace failoverd::config {
namespace {

// Yes: a problem that ends the reading.
using Stop = std::optional<Failure>;

struct Content {
  std::string text;
  mode_t mode = 0;  // Who may read and write it.
};

// What a file holds; the Failure does not begin with its path.
Result<Content> content(const std::string& path);

// Reads one document into one Config and stops at the first problem.
class Reader {
 public:
  explicit Reader(const std::string& filename) : filename_(filename) {}

  Stop read(const YAML::Node& document);
  // What the files hold that are named: without them the configuration cannot work.
  Stop read_secrets();

  const Config& config() const { return config_; }

 private:
  Failure problem(const YAML::Mark& mark, const std::string& name, const std::string& what) const;
  Stop read_section(const std::string& section, const YAML::Node& name, const YAML::Node& node);
  Stop read_entry(const std::string& section, const YAML::Node& name, const YAML::Node& value);
  Stop read_value(const Key& key, const YAML::Mark& place, const YAML::Node& value);
  Failure unknown_key(const YAML::Mark& mark, const std::string& name) const;
  Stop check_together() const;

  // A file with a secret, and the key that names it.
  struct SecretFile {
    const char* key;
    const std::string& path;
    const char* holds;   // "the token"
    mode_t not_allowed;  // What nobody else may.
    const char* mode;    // The most that is allowed: "600".
  };
  Failure wrong(const SecretFile&, const std::string& what) const;
  Result<Content> content_of(const SecretFile&) const;
  Stop check_mode(const SecretFile&, mode_t mode) const;
  Stop read_token();
  Stop read_identity();

  const std::string& filename_;
  Config config_;
  std::map<std::string, YAML::Mark> seen_;  // Full names, and where they stand.
};

std::string at(const std::string& filename, const YAML::Mark& mark) {
  if (mark.is_null()) return filename + ": ";
  return filename + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1) +
         ": ";
}

// Where documents begin. YAML::LoadAll() would tell too, but never comes back from a text that
// begins with a comma: it gets empty documents for ever.
class Beginnings : public YAML::EventHandler {
 public:
  explicit Beginnings(std::string_view text) : text_(std::string{text}), parser_(text_) {}

  // Of the next document; nullopt after the last.
  std::optional<YAML::Mark> next() {
    if (!parser_.HandleNextDocument(*this)) return std::nullopt;
    return mark_;
  }
  // Where the last list or map begins: what is nested too deeply says no place itself.
  const YAML::Mark& opened() const { return opened_; }

  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    opened_ = mark;
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    opened_ = mark;
  }
  void OnMapEnd() override {}

 private:
  std::istringstream text_;
  YAML::Parser parser_;
  YAML::Mark mark_;
  YAML::Mark opened_;
};

// The text has to be one document, or none.
Stop check_documents(std::string_view text, const std::string& filename) {
  Beginnings beginnings{text};
  try {
    const std::optional<YAML::Mark> first = beginnings.next();
    if (!first) return std::nullopt;
    const std::optional<YAML::Mark> second = beginnings.next();
    if (!second) return std::nullopt;
    const bool is_stuck = second->pos == first->pos;
    return Failure{at(filename, *second) +
                   (is_stuck ? "not YAML: nothing begins like this"
                             : "a second document begins here: write one without \"---\" in it")};
  } catch (const YAML::DeepRecursion&) {
    return Failure{at(filename, beginnings.opened()) +
                   "nested too deeply: write sections and their keys, two levels"};
  }
}

std::string without_quotes(const std::string& text) { return text.substr(1, text.size() - 2); }

// Names of keys are the operator's text as well: they are shown as they are only when they are
// plain.
std::string plain_or_quoted(const std::string& name) {
  const std::string in_quotes = quoted(name);
  return without_quotes(in_quotes) == name && !name.empty() ? name : in_quotes;
}

// The commonest mistake has the vaguest messages.
bool is_indented_with_tab(std::string_view text, int line) {
  std::size_t begin = 0;
  for (; line > 0 && begin != std::string_view::npos; --line) {
    begin = text.find('\n', begin);
    if (begin != std::string_view::npos) ++begin;
  }
  if (begin == std::string_view::npos) return false;
  const std::string_view rest = text.substr(begin);
  return rest.substr(0, rest.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

Failure not_yaml(std::string_view text, const std::string& filename, const YAML::Exception& error) {
  std::string what = "not YAML: " + without_quotes(quoted(error.msg));
  if (!error.mark.is_null() && is_indented_with_tab(text, error.mark.line)) {
    what += ": indent with spaces, not with tabs";
  }
  return {at(filename, error.mark) + what};
}

// What stands there, for a sentence about it.
std::string shown(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return quoted(node.Scalar());
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a map";
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
  }
  return "nothing";
}

bool is_section(const std::string& name) { return !section_doc(name).empty(); }

const Key* find_key(const std::string& name) {
  const auto found =
      std::find_if(keys().begin(), keys().end(), [&](const Key& key) { return key.name == name; });
  return found == keys().end() ? nullptr : &*found;
}

// "a, b, c": what may stand in a section, or at the top when it has no name.
std::string known_in(const std::string& section) {
  std::string names;
  std::string last;
  for (const Key& key : keys()) {
    const std::size_t dot = key.name.find('.');
    const std::string own_section = dot == std::string::npos ? "" : key.name.substr(0, dot);
    std::string name = key.name;
    if (section.empty() && dot != std::string::npos) name = own_section;
    if (!section.empty()) {
      if (own_section != section) continue;
      name = key.name.substr(dot + 1);
    }
    if (name == last) continue;
    names += (names.empty() ? "" : ", ") + name;
    last = name;
  }
  return names;
}

Result<Content> content(const std::string& path) {
  const auto refused = [](int error) {
    return Failure{"cannot be read: " + std::generic_category().message(error)};
  };
  // Without O_NONBLOCK a FIFO would stop the whole daemon.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return refused(errno);
  struct Closer {
    int file;
    ~Closer() { ::close(file); }
  } closer{file};
  struct stat status {};
  if (::fstat(file, &status) != 0) return refused(errno);
  if (S_ISDIR(status.st_mode)) return refused(EISDIR);
  if (!S_ISREG(status.st_mode)) return Failure{"cannot be read: not a regular file"};
  Content found{{}, status.st_mode};
  std::array<char, 16384> block{};
  while (found.text.size() <= kLargestFile) {
    const ssize_t got = ::read(file, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refused(errno);
    if (got == 0) break;
    found.text.append(block.data(), static_cast<std::size_t>(got));
  }
  return found;
}

Failure Reader::problem(const YAML::Mark& mark, const std::string& name,
                        const std::string& what) const {
  return {at(filename_, mark) + (name.empty() ? "" : name + ": ") + what};
}

Failure Reader::unknown_key(const YAML::Mark& mark, const std::string& name) const {
  const std::string shown_name = plain_or_quoted(name);
  if (find_key(name) != nullptr) {
    const std::size_t dot = name.find('.');
    return problem(mark, shown_name,
                   "is not written with a dot: write " + name.substr(dot + 1) + ": below " +
                       name.substr(0, dot) + ":");
  }
  const std::string nearest = nearest_key(name);
  if (!nearest.empty()) {
    return problem(mark, shown_name, "unknown key: did you mean " + nearest + "?");
  }
  const std::size_t dot = name.find('.');
  const std::string section = dot == std::string::npos ? "" : name.substr(0, dot);
  return problem(mark, shown_name,
                 "unknown key: known here are " + known_in(is_section(section) ? section : ""));
}

Stop Reader::read(const YAML::Node& document) {
  if (document.IsNull()) return std::nullopt;
  if (!document.IsMap()) {
    return problem(document.Mark(), "",
                   shown(document) + " stands where the configuration should: write a map with " +
                       known_in(""));
  }
  for (const auto& entry : document) {
    if (Stop stop = read_entry("", entry.first, entry.second)) return stop;
  }
  return check_together();
}

Stop Reader::read_entry(const std::string& section, const YAML::Node& name,
                        const YAML::Node& value) {
  if (!name.IsScalar()) {
    return problem(name.Mark(), section,
                   shown(name) + " stands where a key should: write one of " + known_in(section));
  }
  const std::string full = section.empty() ? name.Scalar() : section + "." + name.Scalar();
  const bool is_top_key = section.empty() && full.find('.') == std::string::npos;
  const Key* key = section.empty() && !is_top_key ? nullptr : find_key(full);
  const bool opens_section = section.empty() && is_section(full);
  if (key == nullptr && !opens_section) return unknown_key(name.Mark(), full);

  const auto [first, is_first] = seen_.emplace(full, name.Mark());
  if (!is_first) {
    return problem(name.Mark(), full,
                   "is there twice: write it once (the first is in line " +
                       std::to_string(first->second.line + 1) + ")");
  }
  return opens_section ? read_section(full, name, value) : read_value(*key, name.Mark(), value);
}

Stop Reader::read_section(const std::string& section, const YAML::Node& name,
                          const YAML::Node& node) {
  if (node.IsNull()) return std::nullopt;  // All its keys are commented out.
  if (!node.IsMap()) {
    const YAML::Mark mark = node.Mark().is_null() ? name.Mark() : node.Mark();
    return problem(mark, section,
                   shown(node) + " stands where a map should: write its keys below it (" +
                       known_in(section) + ")");
  }
  for (const auto& entry : node) {
    if (Stop stop = read_entry(section, entry.first, entry.second)) return stop;
  }
  return std::nullopt;
}

Stop Reader::read_value(const Key& key, const YAML::Mark& place, const YAML::Node& value) {
  if (value.IsNull()) {
    return problem(place, key.name, "has no value: write " + key.range);
  }
  if (key.is_list ? !value.IsSequence() : !value.IsScalar()) {
    return problem(value.Mark(), key.name,
                   shown(value) + " stands where a " + key.type + " should: write " + key.range);
  }
  if (key.is_list && value.size() > 0) {
    return problem(value.Mark(), key.name, "a list that is not empty: write " + key.range);
  }
  const std::string text = key.is_list ? std::string{} : value.Scalar();
  if (!is_utf8(text)) {
    return problem(value.Mark(), key.name, quoted(text) + " is not UTF-8: write " + key.range);
  }
  if (const auto wrong = key.set(config_, text)) {
    return problem(value.Mark(), key.name, quoted(text) + " " + *wrong);
  }
  seen_[key.name] = value.Mark();
  ++config_.keys_set;
  if (key.is_unused && key.get(config_) != key.get(Config{})) {
    config_.unused.push_back(
        problem(value.Mark(), key.name, quoted(text) + ": this version does not use it").text);
  }
  return std::nullopt;
}

// What no key can tell alone.
Stop Reader::check_together() const {
  const Listen& listen = config_.listen;
  if (listen.rpc != listen.http) return std::nullopt;
  const bool says_rpc = seen_.contains("listen.rpc");
  const std::string name = says_rpc ? "listen.rpc" : "listen.http";
  return problem(seen_.at(name), name,
                 quoted(listen.rpc) + " is the address of " +
                     (says_rpc ? "listen.http" : "listen.rpc") + " too: write another port");
}

// The permissions of a file, as chmod takes them: "640".
std::string in_octal(mode_t mode) {
  std::string digits;
  for (const int shift : {6, 3, 0}) digits += static_cast<char>('0' + ((mode >> shift) & 7));
  return digits;
}

bool is_credential(const std::string& file) {
  const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
  return directory && *directory == '/' && file.starts_with(std::string{directory} + "/");
}

Failure Reader::wrong(const SecretFile& file, const std::string& what) const {
  return problem(seen_.at(file.key), file.key, quoted(file.path) + " " + what);
}

Result<Content> Reader::content_of(const SecretFile& file) const {
  Result<Content> found = content(file.path);
  if (found) return found;
  return wrong(file, found.error().text + ": write the path of a file with " + file.holds +
                         ", or \"\" for none");
}

Stop Reader::check_mode(const SecretFile& file, mode_t mode) const {
  // Of systemd's credentials the group's bits say what its ACL allows this service alone.
  const mode_t others = is_credential(file.path) ? S_IWGRP | S_IRWXO : file.not_allowed;
  if ((mode & others) == 0) return std::nullopt;
  return wrong(file, "may be read or written by others (mode " + in_octal(mode) +
                         "), who would have " + file.holds + ": chmod " + file.mode + " it");
}

Stop Reader::read_token() {
  const SecretFile file{"listen.token_file", config_.listen.token_file, "the token",
                        S_IRWXG | S_IRWXO, "600"};
  if (file.path.empty()) return std::nullopt;
  const Result<Content> found = content_of(file);
  if (!found) return found.error();
  if (!(std::istringstream{found->text} >> config_.listen.token)) {
    return wrong(file, "holds no token: write one word into it, or \"\" here for none");
  }
  return check_mode(file, found->mode);
}

// "user:password". What cannot be seen in an editor would be a part of it, and nobody would be let
// in.
bool is_identity(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == line.size()) return false;
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  return std::none_of(line.begin(), line.end(), is_control) && line.front() != ' ' &&
         line.back() != ' ';
}

// Of what the file holds nothing is ever said.
Stop Reader::read_identity() {
  const SecretFile file{"cluster.zookeeper_auth_file", config_.cluster.zookeeper_auth_file,
                        "the identity", S_IWGRP | S_IXGRP | S_IRWXO, "640"};
  if (file.path.empty()) return std::nullopt;
  const Result<Content> found = content_of(file);
  if (!found) return found.error();
  std::string line = found->text.substr(0, found->text.find('\n'));
  if (line.ends_with('\r')) line.pop_back();
  if (!is_identity(line)) {
    return wrong(file,
                 "does not begin with a line user:password: write one, without blanks before or "
                 "behind it, or \"\" here for none");
  }
  config_.cluster.zookeeper_identity = std::move(line);
  return check_mode(file, found->mode);
}

Stop Reader::read_secrets() {
  if (Stop stop = read_identity()) return stop;
  return read_token();
}

Result<Config> read(std::string_view text, const std::string& filename, bool with_secrets) {
  if (text.size() > kLargestFile) {
    return Failure{filename + ": larger than 64 KiB: write the configuration only"};
  }
  try {
    if (Stop stop = check_documents(text, filename)) return *stop;
    Reader reader{filename};
    if (Stop stop = reader.read(YAML::Load(std::string{text}))) return *stop;
    if (Stop stop = with_secrets ? reader.read_secrets() : std::nullopt) return *stop;
    return reader.config();
  } catch (const YAML::Exception& error) {
    return not_yaml(text, filename, error);
  }
}

}  // namespace

Result<Config> parse(std::string_view text, const std::string& filename) {
  return read(text, filename, false);
}

Result<Config> load(const std::string& path) {
  const Result<Content> found = content(path);
  if (!found) return Failure{path + ": " + found.error().text};
  return read(found->text, path, true);
}

Result<Config> load_again(const std::string& path) {
  auto config = load(path);
  if (!config || config->keys_set > 0) return config;
  return Failure{path +
                 ": holds no key at all, so it was emptied rather than written: write the keys "
                 "again, or restart failoverd to have the defaults"};
}

}  // namespace failoverd::config
