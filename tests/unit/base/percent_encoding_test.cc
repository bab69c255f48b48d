#include "lib/base/percent_encoding.h"

#include <gtest/gtest.h>

namespace failoverd {
namespace {

TEST(PercentEncoding, OfNames) {
  EXPECT_EQ(percent_encoded("flow-1_.~"), "flow-1_.~");
  EXPECT_EQ(percent_encoded("a b/c?d&e=%\xC3\xA4"), "a%20b%2Fc%3Fd%26e%3D%25%C3%A4");
}

TEST(PercentEncoding, IsTakenBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decoded(percent_encoded(all), true), all);
  EXPECT_EQ(percent_decoded("a+b%2f%2F", true), "a b//");
  EXPECT_EQ(percent_decoded("a+b", false), "a+b");
  for (const char* broken : {"%", "%4", "a%4", "%g1", "%1g", "%%41"}) {
    EXPECT_FALSE(percent_decoded(broken, false)) << broken;
  }
}

}  // namespace
}  // namespace failoverd
