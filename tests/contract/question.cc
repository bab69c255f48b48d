#include "tests/contract/question.h"

#include <google/protobuf/descriptor.h>

#include <cctype>
#include <map>
#include <stdexcept>

#include "proto/tablet.pb.h"
#include "tests/minitablet/table_meta.pb.h"

namespace failoverd::contract {

namespace pb = google::protobuf;

namespace {

struct Method {
  const pb::Message* request;
  const pb::Message* response;
};

template <class Request, class Response>
Method method() {
  return {&Request::default_instance(), &Response::default_instance()};
}

const std::map<std::string, Method>& methods() {
  using namespace fedb;
  static const std::map<std::string, Method> all{
      {"AddReplica", method<ReplicaRequest, GeneralResponse>()},
      {"AppendEntries", method<AppendEntriesRequest, AppendEntriesResponse>()},
      {"ChangeRole", method<ChangeRoleRequest, ChangeRoleResponse>()},
      {"CheckFile", method<CheckFileRequest, GeneralResponse>()},
      {"CreateTable", method<minitablet::CreateTableRequest, GeneralResponse>()},
      {"DelReplica", method<ReplicaRequest, GeneralResponse>()},
      {"DeleteBinlog", method<GeneralRequest, GeneralResponse>()},
      {"DeleteOPTask", method<DeleteOPTaskRequest, GeneralResponse>()},
      {"DropTable", method<DropTableRequest, GeneralResponse>()},
      {"Get", method<GetRequest, GetResponse>()},
      {"GetManifest", method<GetManifestRequest, GetManifestResponse>()},
      {"GetTableFollower", method<GetTableFollowerRequest, GetTableFollowerResponse>()},
      {"GetTableStatus", method<GetTableStatusRequest, GetTableStatusResponse>()},
      {"GetTaskStatus", method<GetTaskStatusRequest, GetTaskStatusResponse>()},
      {"GetTermPair", method<GetTermPairRequest, GetTermPairResponse>()},
      {"LoadTable", method<minitablet::LoadTableRequest, GeneralResponse>()},
      {"MakeSnapshot", method<GeneralRequest, GeneralResponse>()},
      {"PauseSnapshot", method<GeneralRequest, GeneralResponse>()},
      {"Put", method<PutRequest, PutResponse>()},
      {"RecoverSnapshot", method<GeneralRequest, GeneralResponse>()},
      {"SendSnapshot", method<SendSnapshotRequest, GeneralResponse>()},
      {"UpdateRealEndpointMap", method<UpdateRealEndpointMapRequest, GeneralResponse>()},
  };
  return all;
}

// Sets a field by its name; of a repeated one, adds to it.
void set(pb::Message& to, const std::string& name, const std::string& value) {
  const pb::FieldDescriptor* field = to.GetDescriptor()->FindFieldByName(name);
  if (!field) throw std::invalid_argument("no field " + name + " in " + to.GetTypeName());
  const pb::Reflection& at = *to.GetReflection();
  const bool many = field->is_repeated();
  using Field = pb::FieldDescriptor;
  switch (field->cpp_type()) {
    case Field::CPPTYPE_STRING:
      return many ? at.AddString(&to, field, value) : at.SetString(&to, field, value);
    case Field::CPPTYPE_UINT64:
      return many ? at.AddUInt64(&to, field, std::stoull(value))
                  : at.SetUInt64(&to, field, std::stoull(value));
    case Field::CPPTYPE_INT64:
      return at.SetInt64(&to, field, std::stoll(value));
    case Field::CPPTYPE_UINT32:
      return at.SetUInt32(&to, field, static_cast<std::uint32_t>(std::stoul(value)));
    case Field::CPPTYPE_INT32:
      return at.SetInt32(&to, field, std::stoi(value));
    case Field::CPPTYPE_ENUM: {
      const auto* known = field->enum_type()->FindValueByName(value);
      if (!known) throw std::invalid_argument("no " + name + " is " + value);
      return at.SetEnum(&to, field, known);
    }
    default:
      throw std::invalid_argument("the language has no words for the field " + name);
  }
}

pb::Message* part(pb::Message& of, const std::string& name) {
  const pb::FieldDescriptor* field = of.GetDescriptor()->FindFieldByName(name);
  return field ? of.GetReflection()->MutableMessage(&of, field) : nullptr;
}

bool is_number(const std::string& word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
}

// Takes the words of one request.
class Words {
 public:
  Words(const std::vector<std::string>& words, std::string asked,
        const std::function<std::string(const std::string&)>& endpoint,
        const minitablet::Generation& generation)
      : words_{words}, asked_{std::move(asked)}, endpoint_{endpoint}, generation_{generation} {}

  void fill(pb::Message& request) {
    request_ = &request;
    meta_ = part(request, "table_meta");
    if (meta_) {
      set(*meta_, "name", "t");
      set(*meta_, "seg_cnt", "8");
    }
    if (method() == "CreateTable") add_columns();
    if (method() == "Put") {
      for (const char* name : {"pk", "value"}) set(request, name, "put");
      set(request, "time", "1");
    }
    while (more()) take(next());
  }

 private:
  pb::Message& target() { return meta_ ? *meta_ : *request_; }
  const std::string& method() const { return words_.front(); }
  bool more() const { return at_ < words_.size(); }
  const std::string& next() {
    if (!more()) throw std::invalid_argument("a word is missing");
    return words_[at_++];
  }

  void take(const std::string& word) {
    if (const auto slash = word.find('/'); slash != std::string::npos) {
      set(target(), "tid", word.substr(0, slash));
      set(target(), "pid", word.substr(slash + 1));
    } else if (word == "leader" || word == "follower") {
      set(target(), "mode", word == "leader" ? "kTableLeader" : "kTableFollower");
    } else if (word == "to") {
      take_tablets();
    } else if (word == "entries") {
      take_entries();
    } else if (word == "op") {
      take_task();
    } else if (word == "columns") {
      add_columns();
    } else if (word == "nameless") {
      set(target(), "name", "");
    } else if (method() == "DeleteOPTask" && is_number(word)) {
      set(*request_, "op_id", word);
    } else {
      set(target(), word, next());
    }
  }

  // As every table of its generation has them.
  void add_columns() {
    for (const std::string& column : generation_.column_desc) set(*meta_, "column_desc", column);
    for (const std::string& key : generation_.column_key) set(*meta_, "column_key", key);
  }

  // "nobody": an endpoint where no tablet is.
  void take_tablets() {
    const bool many = target().GetDescriptor()->FindFieldByName("replicas") != nullptr;
    while (more() &&
           (std::isupper(static_cast<unsigned char>(words_[at_][0])) || words_[at_] == "nobody")) {
      const std::string name = next();
      set(target(), many ? "replicas" : "endpoint",
          name == "nobody" ? "127.0.0.1:1" : endpoint_(name));
    }
  }

  // Each with the request's term, which comes first.
  void take_entries() {
    auto& request = dynamic_cast<fedb::AppendEntriesRequest&>(*request_);
    while (more() && is_number(words_[at_])) {
      fedb::LogEntry& entry = *request.add_entries();
      entry.set_term(request.term());
      entry.set_log_index(std::stoull(next()));
      entry.set_pk("appended" + std::to_string(entry.log_index()));
      entry.set_value("v");
      entry.set_ts(1);
    }
  }

  // The task says which tablet carries it out. "as" and "of" begin what is not as usual.
  void take_task() {
    pb::Message* part_of = part(*request_, "task_info");
    if (!part_of) throw std::invalid_argument(method() + " has no task");
    auto& task = dynamic_cast<fedb::TaskInfo&>(*part_of);
    task.set_op_id(std::stoull(next()));
    task.set_op_type(fedb::kReAddReplicaOP);
    set(task, "task_type", "k" + method());
    task.set_status(fedb::kInited);
    task.set_endpoint(endpoint_(asked_));
    while (more()) {
      const std::string& word = next();
      if (word == "as") {
        set(task, "task_type", next());
      } else if (word == "of") {
        set(task, "op_type", next());
      } else {
        set(task, word, next());
      }
    }
  }

  const std::vector<std::string>& words_;
  const std::string asked_;
  const std::function<std::string(const std::string&)>& endpoint_;
  const minitablet::Generation& generation_;
  std::size_t at_ = 1;
  pb::Message* request_ = nullptr;
  pb::Message* meta_ = nullptr;
};

}  // namespace

bool is_method(const std::string& name) { return methods().contains(name); }

MessagePtr response_of(const std::string& method) {
  return MessagePtr{methods().at(method).response->New()};
}

Question make_question(const std::vector<std::string>& words, const std::string& asked,
                       const std::function<std::string(const std::string&)>& endpoint,
                       const minitablet::Generation& generation) {
  Question question{words.front(), MessagePtr{methods().at(words.front()).request->New()}};
  Words{words, asked, endpoint, generation}.fill(*question.request);
  return question;
}

}  // namespace failoverd::contract
