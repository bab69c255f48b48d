#include "lib/base/utf8.h"

#include <gtest/gtest.h>

namespace failoverd {
namespace {

TEST(Utf8, BytesThatAreNotUtf8AreReplaced) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(valid_utf8("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(valid_utf8("a\xFFz"), "a" + bad + "z");
  EXPECT_EQ(valid_utf8("\xC3"), bad);                                // Cut off.
  EXPECT_EQ(valid_utf8("\xC0\x80"), bad + bad);                      // Overlong.
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), bad + bad + bad);            // A surrogate.
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // Above U+10FFFF.
  EXPECT_EQ(valid_utf8("\xE0\x80\x80"), bad + bad + bad);
  EXPECT_EQ(valid_utf8("\xF0\x80\x80\x80"), bad + bad + bad + bad);
}

TEST(Utf8, NoTerminalObeysWhatIsShown) {
  EXPECT_EQ(shown_safely("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80", '?'),
            "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(shown_safely("a\nb\tc\x1B[2J\x7F", '?'), "a?b?c?[2J?");
  for (const char* obeyed :
       {"\xC2\x80", "\xC2\x9B", "\xC2\x9F",                              // C1.
        "\xD8\x9C", "\xE2\x80\x8E", "\xE2\x80\x8F",                      // Marks of direction.
        "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAA", "\xE2\x80\xAE",  // And overrides.
        "\xE2\x81\xA6", "\xE2\x81\xA9"}) {
    EXPECT_EQ(shown_safely(std::string{"a"} + obeyed + "b", '?'), "a?b");
  }
  for (const char* harmless : {"\xC2\xA0", "\xE2\x80\x90", "\xE2\x80\xAF", "\xE2\x81\xAA"}) {
    EXPECT_EQ(shown_safely(harmless, '?'), harmless);
  }
  // Alone C1's bytes are not UTF-8, though some terminals obey them.
  EXPECT_EQ(shown_safely("\x9B\xFF", ' '), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Utf8, JsonSaysTheSameInEscapes) {
  const std::string plain = "{\"a\": [\"\xC3\xA4\", 1]}\n";
  EXPECT_EQ(json_shown_safely(plain), plain);
  EXPECT_EQ(json_shown_safely("\"\xC2\x9B\xE2\x80\xAE\x7F\xFF\""),
            "\"\\u009b\\u202e\\u007f\xEF\xBF\xBD\"");
  EXPECT_EQ(json_shown_safely("no JSON\x1B[2J"), "no JSON\\u001b[2J");
}

}  // namespace
}  // namespace failoverd
