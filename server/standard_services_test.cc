#include "server/standard_services.h"

#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace triad::server {
namespace {

using grpc::reflection::v1alpha::ServerReflectionRequest;

TEST(Reflection, GivesTheFileOfASymbolWithAllThatItImports) {
  ServerReflectionRequest request;
  request.set_file_containing_symbol("triad.v1.AdminService");
  const auto answer = StandardServices::Reflect(request);
  std::set<std::string> names;
  for (const std::string& bytes : answer.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    EXPECT_TRUE(names.insert(file.name()).second) << file.name() << " twice";
  }
  EXPECT_TRUE(names.contains("triad/v1/admin.proto"));
  EXPECT_TRUE(names.contains("triad/v1/command.proto")) << "imported by it";
  EXPECT_EQ(answer.original_request().file_containing_symbol(), "triad.v1.AdminService");
}

TEST(Reflection, WhatIsNotThereIsSaidSo) {
  ServerReflectionRequest request;
  request.set_file_by_filename("nobody/has/this.proto");
  EXPECT_EQ(StandardServices::Reflect(request).error_response().error_code(),
            grpc::StatusCode::NOT_FOUND);
  request.clear_file_by_filename();  // nothing is asked, or something of extensions
  EXPECT_EQ(StandardServices::Reflect(request).error_response().error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST(Reflection, EachServiceThatItNamesIsFoundByItsName) {
  ServerReflectionRequest list;
  list.set_list_services("");
  const auto answer = StandardServices::Reflect(list);
  EXPECT_GE(answer.list_services_response().service_size(), 5);
  for (const auto& service : answer.list_services_response().service()) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(service.name());
    EXPECT_TRUE(StandardServices::Reflect(request).has_file_descriptor_response())
        << service.name();
  }
}

}  // namespace
}  // namespace triad::server
