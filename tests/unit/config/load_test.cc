// The configuration from a file, and what is said when there is none to read.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "lib/config/changes.h"
#include "lib/config/config.h"

namespace failoverd::config {
namespace {

class Load : public testing::Test {
 protected:
  Load() {
    std::string name = testing::TempDir() + "failoverd_load_XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~Load() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& text) const {
    const std::string path = directory_ + "/failoverd.yaml";
    std::ofstream{path} << text;
    return path;
  }
  static std::string problem_of(const std::string& path) {
    const Result<Config> result = load(path);
    return result ? "" : result.error().text;
  }

  std::string directory_;
};

TEST_F(Load, ReadsAFile) {
  const Result<Config> config = load(write("auto_failover: false\n"));
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->auto_failover, false);
}

TEST_F(Load, NamesTheFileInEveryProblem) {
  const std::string path = write("log:\n  level: loud\n");
  EXPECT_EQ(
      problem_of(path),
      path + ":2:10: log.level: \"loud\" is not known here: write debug, info, warn or error");
}

TEST_F(Load, SaysWhyAFileCannotBeRead) {
  const std::string missing = directory_ + "/missing.yaml";
  EXPECT_EQ(problem_of(missing), missing + ": cannot be read: No such file or directory");
  EXPECT_EQ(problem_of(directory_), directory_ + ": cannot be read: Is a directory");
  const std::string path = write("");
  EXPECT_EQ(problem_of(path + "/x"), path + "/x: cannot be read: Not a directory");
}

TEST_F(Load, DoesNotWaitForAFifo) {
  const std::string fifo = directory_ + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(problem_of(fifo), fifo + ": cannot be read: not a regular file");
}

TEST_F(Load, AnUnreadableFileIsRefused) {
  const std::string path = write("");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  const bool may_read_all = ::access(path.c_str(), R_OK) == 0;  // root
  EXPECT_EQ(problem_of(path), may_read_all ? "" : path + ": cannot be read: Permission denied");
}

TEST_F(Load, AHugeFileIsRefusedUnread) {
  const std::string path = write("");
  std::filesystem::resize_file(path, 1ULL << 40);
  EXPECT_EQ(problem_of(path), path + ": larger than 64 KiB: write the configuration only");
}

// What an editor or a full disk leaves is no configuration for a daemon that runs. A daemon that
// starts may have one without a key: it means the defaults.
TEST_F(Load, AnEmptiedFileIsNotReadAgain) {
  const std::string nulls(4096, '\0');
  for (const std::string& text : {std::string{}, std::string{"\n\n"}, std::string{"# a comment\n"},
                                  std::string{"---\n"}, std::string{"guards:\n  # none\n"}}) {
    const std::string path = write(text);
    EXPECT_TRUE(load(path)) << text;
    const auto again = load_again(path);
    ASSERT_FALSE(again) << text;
    EXPECT_TRUE(again.error().text.starts_with(path + ": holds no key at all")) << text;
  }
  EXPECT_FALSE(load_again(write(nulls)));  // After a power cut.
  EXPECT_TRUE(load_again(write("guards:\n  flaps: 3\n")));
  EXPECT_FALSE(load_again(write("guards:\n  flaps: x\n")));
}

// A daemon that cannot know its token cannot work: said where the configuration is read.
TEST_F(Load, ReadsTheToken) {
  const std::string token = directory_ + "/token";
  std::ofstream{token} << "  secret \nnot this\n";
  ASSERT_EQ(::chmod(token.c_str(), 0600), 0);
  const Result<Config> config = load(write("listen: {token_file: " + token + "}\n"));
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->listen.token, "secret");
  EXPECT_EQ(load(write("listen: {token_file: \"\"}"))->listen.token, "");
  EXPECT_EQ(parse("listen: {token_file: /not/there}", "f.yaml")->listen.token, "");
}

// Whoever can write it sets the token, whoever can read it has it.
TEST_F(Load, ATokenFileIsItsOwnersAlone) {
  const std::string token = directory_ + "/t";
  std::ofstream{token} << "secret";
  const std::string path = write("listen:\n  token_file: " + token + "\n");
  const std::string begin = path + ":2:15: listen.token_file: \"" + token + "\" ";
  const auto with = [&](mode_t mode) {
    EXPECT_EQ(::chmod(token.c_str(), mode), 0);
    return load(path);
  };
  for (const mode_t mode : {0666, 0644, 0640, 0620, 0604, 0602, 0660, 0440, 0610, 0601}) {
    EXPECT_FALSE(with(mode)) << mode;
  }
  EXPECT_EQ(with(0640).error().text, begin +
                                         "may be read or written by others (mode 640), who would "
                                         "have the token: chmod 600 it");
  for (const mode_t mode : {0600, 0400}) {
    const auto config = with(mode);
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ(config->listen.token, "secret");
  }
  // A credential of systemd's: the group's bits are its ACL's.
  ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
  EXPECT_TRUE(with(0440));
  for (const mode_t mode : {0460, 0444, 0442}) EXPECT_FALSE(with(mode)) << mode;
  ::setenv("CREDENTIALS_DIRECTORY", (directory_ + "/other").c_str(), 1);
  EXPECT_FALSE(with(0440));
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(Load, AnotherTokenIsAChange) {
  const std::string token = directory_ + "/t";
  const auto with = [&](const std::string& word) {
    std::ofstream{token} << word;
    ::chmod(token.c_str(), 0600);
    return *load(write("listen: {token_file: " + token + "}\n"));
  };
  const Config running = with("secret");
  EXPECT_TRUE(changes(running, with("secret")).empty());
  const Config loaded = with("other");
  const auto found = changes(running, loaded);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].key + " " + found[0].from + " " + found[0].to,
            "listen.token_file's token the old one another");
  EXPECT_FALSE(found[0].at_start);
  EXPECT_EQ(reloaded(running, loaded).listen.token, "other");
  // Another file is another matter: it is read at the next start.
  Config elsewhere = loaded;
  elsewhere.listen.token_file = "/elsewhere";
  EXPECT_EQ(reloaded(running, elsewhere).listen.token, "secret");
  EXPECT_EQ(reloaded(running, elsewhere).listen.token_file, token);
}

TEST_F(Load, ATokenFileThatHoldsNoneIsNamed) {
  const std::string token = directory_ + "/t";
  const std::string path = write("listen:\n  token_file: " + token + "\n");
  const std::string begin = path + ":2:15: listen.token_file: \"" + token + "\" ";
  const std::string form = ": write the path of a file with the token, or \"\" for none";
  EXPECT_EQ(problem_of(path), begin + "cannot be read: No such file or directory" + form);
  ASSERT_EQ(::mkfifo(token.c_str(), 0600), 0);
  EXPECT_EQ(problem_of(path), begin + "cannot be read: not a regular file" + form);
  std::filesystem::remove(token);
  for (const char* empty : {"", " \n\t\n"}) {
    std::ofstream{token} << empty;
    EXPECT_EQ(problem_of(path),
              begin + "holds no token: write one word into it, or \"\" here for none");
  }
  std::filesystem::remove(token);
  std::filesystem::create_directory(token);
  EXPECT_EQ(problem_of(path), begin + "cannot be read: Is a directory" + form);
}

// --- cluster.zookeeper_auth_file -----------------------------------------------------------------

class LoadIdentity : public Load {
 protected:
  LoadIdentity() { hold("rtidb:secret"); }
  void hold(const std::string& text, mode_t mode = 0600) {
    std::ofstream{file_} << text;
    ASSERT_EQ(::chmod(file_.c_str(), mode), 0);
  }
  Result<Config> load_it() { return load(path_); }

  const std::string file_ = directory_ + "/zookeeper";
  const std::string path_ = write("cluster:\n  zookeeper_auth_file: " + file_ + "\n");
  const std::string begin_ = path_ + ":2:24: cluster.zookeeper_auth_file: \"" + file_ + "\" ";
};

TEST_F(LoadIdentity, IsTheFirstLineAsItStands) {
  for (const char* text :
       {"rtidb:se cret: x", "rtidb:se cret: x\n", "rtidb:se cret: x\r\nmore\n"}) {
    hold(text);
    const auto config = load_it();
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ(config->cluster.zookeeper_identity, "rtidb:se cret: x");
  }
  EXPECT_EQ(load(write("cluster: {zookeeper_auth_file: \"\"}"))->cluster.zookeeper_identity, "");
}

// What it holds is not repeated: the line may be the password without a user.
TEST_F(LoadIdentity, ThatIsNoneIsNamedButNotShown) {
  for (const char* text : {"", "\n", "\nrtidb:secret\n", "secret\n", ":secret", "rtidb:",
                           " rtidb:secret", "rtidb:secret ", "rtidb:sec\tret", "rtidb:\r\n"}) {
    hold(text);
    const auto config = load_it();
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().text,
              begin_ +
                  "does not begin with a line user:password: write one, without blanks "
                  "before or behind it, or \"\" here for none");
  }
  std::filesystem::remove(file_);
  EXPECT_EQ(load_it().error().text,
            begin_ +
                "cannot be read: No such file or directory: write the path of a file with "
                "the identity, or \"\" for none");
}

TEST_F(LoadIdentity, IsReadByItsOwnerAndItsGroupAlone) {
  for (const mode_t mode : {0600, 0640, 0400, 0440}) {
    hold("rtidb:secret", mode);
    EXPECT_TRUE(load_it()) << mode;
  }
  for (const mode_t mode : {0644, 0660, 0650, 0604, 0602, 0601}) {
    hold("rtidb:secret", mode);
    EXPECT_FALSE(load_it()) << mode;
  }
  hold("rtidb:secret", 0644);
  EXPECT_EQ(load_it().error().text,
            begin_ +
                "may be read or written by others (mode 644), who would have the identity: "
                "chmod 640 it");
}

TEST_F(LoadIdentity, AnotherOneTakesARestart) {
  const Config running = *load_it();
  EXPECT_TRUE(changes(running, *load_it()).empty());
  hold("rtidb:other");
  const Config loaded = *load_it();
  const auto found = changes(running, loaded);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].key + " " + found[0].from + " " + found[0].to,
            "cluster.zookeeper_auth_file's identity the old one another");
  EXPECT_EQ(restart_notice(found),
            "cluster.zookeeper_auth_file's identity changed: restart failoverd to apply");
  EXPECT_EQ(reloaded(running, loaded).cluster.zookeeper_identity, "rtidb:secret");
}

}  // namespace
}  // namespace failoverd::config
