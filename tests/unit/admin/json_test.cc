#include "lib/admin/json.h"

#include <gtest/gtest.h>

namespace failoverd::admin {
namespace {

TEST(Json, NamesFromZnodesStayText) {
  EXPECT_EQ(to_json(std::vector<ConfRow>{{"a\"\n", "\xFF"}}),
            "[\n  {\"key\":\"a\\\"\\n\",\"value\":\"\xEF\xBF\xBD\"}\n]\n");
}

TEST(Json, WhatIsNotKnownIsNull) {
  ReplicaRow row;
  row.name = "flow";
  const std::string json = to_json(std::vector<ReplicaRow>{row});
  for (const char* key : {"offset", "record_cnt", "memused", "offset_age_ms"}) {
    EXPECT_NE(json.find("\"" + std::string(key) + "\":null"), std::string::npos) << json;
  }
}

TEST(Json, AnOpThatRunsIsCountedToNow) {
  OpRow row;
  row.start_ms = 5000;
  EXPECT_NE(to_json(std::vector<OpRow>{row}, 7500).find("\"execute_time\":2500,\"end_time\":null"),
            std::string::npos);
  row.end_ms = 6000;
  EXPECT_NE(to_json(std::vector<OpRow>{row}, 7500).find("\"execute_time\":1000,\"end_time\":6000"),
            std::string::npos);
  row.end_ms = 4000;  // The clock was set back in between.
  EXPECT_NE(to_json(std::vector<OpRow>{row}, 7500).find("\"execute_time\":0"), std::string::npos);
}

TEST(Json, ACommandsAnswerHasItsPlan) {
  CommandResult result;
  result.ops = {7};
  result.message = "change leader ok";
  EXPECT_EQ(to_json(result), "{\"ops\":[7],\"message\":\"change leader ok\"}\n");
  result.plan = {"flow/0: A hands over to B"};
  EXPECT_EQ(to_json(result),
            "{\"ops\":[7],\"message\":\"change leader ok\","
            "\"plan\":[\"flow/0: A hands over to B\"]}\n");
}

TEST(Json, ArgumentsAreOneObjectOfPlainValues) {
  using Map = std::map<std::string, std::string>;
  EXPECT_EQ(parse_arguments("").value(), Map{});
  EXPECT_EQ(parse_arguments(" \n").value(), Map{});
  EXPECT_EQ(parse_arguments("{}").value(), Map{});
  EXPECT_EQ(parse_arguments(R"({"key": "auto_failover", "value": true, "pid": 3})").value(),
            (Map{{"key", "auto_failover"}, {"value", "true"}, {"pid", "3"}}));
  EXPECT_EQ(parse_arguments(R"({"pids": [1, 4, 7], "none": []})").value(),
            (Map{{"pids", "1,4,7"}, {"none", ""}}));
  EXPECT_EQ(parse_arguments(R"({"partition": {"pid": 1, "rows": [{"a": "b"}]}})").value(),
            (Map{{"partition", R"({"pid":1,"rows":[{"a":"b"}]})"}}));
  for (const char* bad : {"[]", "3", "{", "{\"a\": [{}]}", "{\"a\": [1, true]}", "{\"a\": [[1]]}",
                          "{\"a\": null}", "{} x"}) {
    EXPECT_FALSE(parse_arguments(bad)) << bad;
  }
  EXPECT_FALSE(parse_arguments(std::string(100'000, '[')));
}

}  // namespace
}  // namespace failoverd::admin
