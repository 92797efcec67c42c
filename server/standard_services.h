// The services that every gRPC server is expected to have: health (grpc.health.v1) and reflection
// (grpc.reflection.v1alpha). gRPC's own would bring threads that poll beside the Node's loop, and
// wake for each of its messages; these live on the loop's queue.
//
// Taken generically: whatever no other service has comes here, and is refused with UNIMPLEMENTED if
// it is neither. All calls on the loop's thread.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"

namespace triad::server {

class StandardServices {
 public:
  // `calls_max`: streams of theirs that may be open at a time; further ones are refused.
  explicit StandardServices(size_t calls_max) : calls_max_(calls_max) {}
  ~StandardServices();

  // To be registered with the builder.
  grpc::AsyncGenericService* generic() { return &generic_; }
  // Takes calls from now on.
  void Serve(grpc::ServerCompletionQueue* queue);
  // `service`: "" is the whole server.
  void SetServing(const std::string& service, bool serving);

  // What reflection says, for tests too.
  static grpc::reflection::v1alpha::ServerReflectionResponse Reflect(
      const grpc::reflection::v1alpha::ServerReflectionRequest& request);

 private:
  class Call;
  using Health = grpc::health::v1::HealthCheckResponse;

  void Take();
  // SERVICE_UNKNOWN where nothing was ever said of it.
  Health::ServingStatus StatusOf(const std::string& service) const;

  const size_t calls_max_;
  grpc::AsyncGenericService generic_;
  grpc::ServerCompletionQueue* queue_ = nullptr;
  std::map<std::string, bool> serving_;
  std::set<Call*> open_;
};

}  // namespace triad::server
