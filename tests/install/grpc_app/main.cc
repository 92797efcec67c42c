// Serves a gRPC service of its own, asks it, and uses libtriad beside it. With a search path as
// argument it also takes a license.
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <memory>
#include <string>

#include "license.grpc.pb.h"
#include "triad/client.h"
#include "triad/triad.h"

namespace {

class Greeter final : public greeting::LicenseService::Service {
  grpc::Status Call(grpc::ServerContext*, const greeting::Checkout* request,
                    greeting::Outcome* answer) override {
    answer->set_text("hello " + request->name());
    return grpc::Status::OK;
  }
};

bool Greets(int port) {
  auto channel =
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
  auto stub = greeting::LicenseService::NewStub(channel);
  grpc::ClientContext context;
  greeting::Checkout request;
  request.set_name("world");
  greeting::Outcome answer;
  const grpc::Status status = stub->Call(&context, request, &answer);
  return status.ok() && answer.text() == "hello world";
}

}  // namespace

int main(int argc, char** argv) {
  Greeter greeter;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&greeter);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || !Greets(port)) return 10;

  // Its own gRPC port is a server, but none of licenses.
  triad::ClientOptions options;
  options.license_path = argc > 1 ? argv[1] : std::to_string(port) + "@127.0.0.1";
  options.request_timeout_ms = 3000;
  triad::Result<triad::Client> client = triad::Client::Open(options);
  if (argc > 1) {
    if (!client) return std::cerr << client.status().ToString() << "\n", 11;
    triad::Result<triad::License> license = client->Checkout({"f"});
    if (!license) return std::cerr << license.status().ToString() << "\n", 12;
    std::cout << "granted " << license->feature() << " " << license->count() << "\n";
  } else {
    if (client) return 13;
    std::cout << "refused: " << client.status().ToString() << "\n";
  }
  if (std::string(triad_strerror(-4)) != "all licenses in use") return 14;
  if (!Greets(port)) return 15;
  server->Shutdown();
  std::cout << "both work\n";
  return 0;
}
