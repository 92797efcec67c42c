// What was said and stored by a released version is understood by this one, and means the same.
//
// A line of wire.txt is a message as that version wrote it, and what it said: every message, each
// field of it set, each alternative of a oneof in a line of its own; and every call. A later
// version may have more fields; none may be gone, renumbered or renamed (names are what scripts see
// through reflection).
//
// TRIAD_RECORD=DIR writes the file anew: for a release, into a directory of its own.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "triad/v1/admin.pb.h"
#include "triad/v1/backup.pb.h"
#include "triad/v1/ledger.pb.h"
#include "triad/v1/license.pb.h"
#include "triad/v1/peer.pb.h"

namespace triad {
namespace {

namespace pb = google::protobuf;

constexpr const char* kReleases[] = {"0.1.0"};

const std::vector<const pb::FileDescriptor*>& Files() {
  static const auto* files = new std::vector<const pb::FileDescriptor*>{
      v1::Command::descriptor()->file(),       v1::UsageRecord::descriptor()->file(),
      v1::LedgerHead::descriptor()->file(),    v1::BackupPiece::descriptor()->file(),
      v1::ClientMessage::descriptor()->file(), v1::PeerMessage::descriptor()->file(),
      v1::NodeStatus::descriptor()->file()};
  return *files;
}

const pb::Descriptor* FindMessage(const std::string& name) {
  return pb::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
}

// The same bytes for the same content, also of maps.
std::string Bytes(const pb::Message& message) {
  std::string bytes;
  pb::io::StringOutputStream stream(&bytes);
  pb::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  EXPECT_TRUE(message.SerializeToCodedStream(&coded));
  coded.Trim();
  return bytes;
}

// --- Recording

class Filler {
 public:
  // All fields, but of each oneof the field number `chosen` or, where it has none of that number,
  // its first.
  void Fill(pb::Message* message, int chosen, int depth) {
    const pb::Descriptor* type = message->GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const pb::FieldDescriptor* field = type->field(i);
      const pb::OneofDescriptor* oneof = field->containing_oneof();
      if (oneof != nullptr) {
        const pb::FieldDescriptor* wanted = type->FindFieldByNumber(chosen);
        if (wanted == nullptr || wanted->containing_oneof() != oneof) wanted = oneof->field(0);
        if (field != wanted) continue;
      }
      SetField(message, field, depth);
    }
  }

 private:
  void SetField(pb::Message* message, const pb::FieldDescriptor* field, int depth) {
    const pb::Reflection* reflection = message->GetReflection();
    const bool repeated = field->is_repeated();
    const uint64_t number = ++last_;
    switch (field->cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth == 0) return;
        Fill(repeated ? reflection->AddMessage(message, field)
                      : reflection->MutableMessage(message, field),
             0, depth - 1);
        return;
      case pb::FieldDescriptor::CPPTYPE_STRING: {
        const std::string text = absl::StrCat(field->name(), " ", number);
        repeated ? reflection->AddString(message, field, text)
                 : reflection->SetString(message, field, text);
        return;
      }
      case pb::FieldDescriptor::CPPTYPE_ENUM: {
        const int last = field->enum_type()->value_count() - 1;
        reflection->SetEnum(message, field, field->enum_type()->value(last));
        return;
      }
      case pb::FieldDescriptor::CPPTYPE_BOOL:
        return reflection->SetBool(message, field, true);
      case pb::FieldDescriptor::CPPTYPE_INT32:
        return reflection->SetInt32(message, field, -static_cast<int32_t>(number));
      case pb::FieldDescriptor::CPPTYPE_INT64:
        return reflection->SetInt64(message, field, -static_cast<int64_t>(number) << 33);
      case pb::FieldDescriptor::CPPTYPE_UINT32:
        return repeated ? reflection->AddUInt32(message, field, static_cast<uint32_t>(number))
                        : reflection->SetUInt32(message, field, static_cast<uint32_t>(number));
      case pb::FieldDescriptor::CPPTYPE_UINT64:
        return repeated ? reflection->AddUInt64(message, field, number << 33)
                        : reflection->SetUInt64(message, field, number << 33);
      default:
        ADD_FAILURE() << field->full_name() << ": no way to fill it";
    }
  }

  uint64_t last_ = 0;
};

void RecordMessage(const pb::Descriptor* type, std::ofstream& out) {
  pb::DynamicMessageFactory factory;
  std::vector<int> chosen;
  for (int i = 0; i < type->oneof_decl_count(); ++i) {
    for (int k = 0; k < type->oneof_decl(i)->field_count(); ++k) {
      chosen.push_back(type->oneof_decl(i)->field(k)->number());
    }
  }
  if (chosen.empty()) chosen.push_back(0);
  for (const int number : chosen) {
    const std::unique_ptr<pb::Message> message(factory.GetPrototype(type)->New());
    Filler().Fill(message.get(), number, /*depth=*/1);
    out << type->full_name() << '\t' << absl::BytesToHexString(Bytes(*message)) << '\t'
        << message->ShortDebugString() << '\n';
  }
  for (int i = 0; i < type->nested_type_count(); ++i) RecordMessage(type->nested_type(i), out);
}

std::string CallText(const pb::MethodDescriptor& method) {
  return absl::StrCat("call ", method.full_name(), " ", method.input_type()->full_name(),
                      method.client_streaming() ? " stream" : "", " -> ",
                      method.output_type()->full_name(),
                      method.server_streaming() ? " stream" : "");
}

void RecordAll(const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  for (const pb::FileDescriptor* file : Files()) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        out << CallText(*file->service(i)->method(k)) << '\n';
      }
    }
    for (int i = 0; i < file->message_type_count(); ++i) RecordMessage(file->message_type(i), out);
  }
  ASSERT_TRUE(out.good()) << path;
}

// --- Reading

bool HasUnknown(const pb::Message& message) {
  const pb::Reflection* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) return true;
  std::vector<const pb::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const pb::Message& inner = field->is_repeated()
                                     ? reflection->GetRepeatedMessage(message, field, i)
                                     : reflection->GetMessage(message, field);
      if (HasUnknown(inner)) return true;
    }
  }
  return false;
}

void ExpectUnderstood(const std::string& name, const std::string& bytes, const std::string& text) {
  const pb::Descriptor* type = FindMessage(name);
  ASSERT_NE(type, nullptr) << name << " is gone";
  const std::unique_ptr<pb::Message> message(
      pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
  ASSERT_TRUE(message->ParseFromString(bytes)) << name;
  EXPECT_FALSE(HasUnknown(*message)) << name << " has lost a field";
  EXPECT_EQ(message->ShortDebugString(), text) << name << " means something else";
  EXPECT_EQ(Bytes(*message), bytes) << name << " is written otherwise";
}

void ExpectCall(const std::string& line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  const auto* method = pb::DescriptorPool::generated_pool()->FindMethodByName(words.at(1));
  ASSERT_NE(method, nullptr) << line << ": it is gone";
  EXPECT_EQ(CallText(*method), line);
}

TEST(Wire, WhatReleasedVersionsSaidAndStoredMeansTheSame) {
  if (const char* directory = std::getenv("TRIAD_RECORD")) {
    return RecordAll(absl::StrCat(directory, "/wire.txt"));
  }
  for (const std::string release : kReleases) {
    std::ifstream file(absl::StrCat(TRIAD_RECORDED, "/", release, "/wire.txt"), std::ios::binary);
    std::string line;
    size_t lines = 0;
    while (std::getline(file, line)) {
      SCOPED_TRACE(absl::StrCat(release, "/wire.txt:", ++lines));
      const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits('\t', 2));
      if (parts.size() == 1) {
        ExpectCall(line);
      } else {
        ASSERT_EQ(parts.size(), 3u);
        ExpectUnderstood(parts[0], absl::HexStringToBytes(parts[1]), parts[2]);
      }
    }
    EXPECT_GT(lines, 100u) << release;
  }
}

}  // namespace
}  // namespace triad
