#include "server/standard_services.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <array>
#include <utility>
#include <vector>

#include "server/grpc_stream.h"

namespace triad::server {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";
constexpr char kReflect[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr std::array<const char*, 5> kServices{"triad.v1.LicenseService", "triad.v1.AdminService",
                                               "triad.v1.PeerService", "grpc.health.v1.Health",
                                               "grpc.reflection.v1alpha.ServerReflection"};

template <typename Message>
bool Parse(const grpc::ByteBuffer& bytes, Message* message) {
  std::vector<grpc::Slice> slices;
  if (!bytes.Dump(&slices).ok()) return false;
  std::string whole;
  for (const grpc::Slice& slice : slices) {
    whole.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return message->ParseFromString(whole);
}

template <typename Message>
grpc::ByteBuffer Bytes(const Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

// A file and all that it imports, each once.
void AddFile(const google::protobuf::FileDescriptor* file, std::set<std::string>* seen,
             ServerReflectionResponse* answer) {
  if (!seen->insert(file->name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  answer->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) AddFile(file->dependency(i), seen, answer);
}

}  // namespace

// From before it comes in until it is over. One operation of the queue at a time but for a Watch,
// which reads (to learn that the caller is gone) while it writes.
class StandardServices::Call final : public Operation {
 public:
  explicit Call(StandardServices* services) : services_(services) {
    ++under_way_;
    services_->generic_.RequestCall(&context_, &stream_, services_->queue_, services_->queue_,
                                    static_cast<Operation*>(this));
  }

  // The queue names the call itself when it has come in, and when it is over.
  void Done(bool ok) override {
    --under_way_;
    if (state_ == State::kExpected && ok) {
      Begin();
    } else {
      state_ = State::kOver;  // it was finished, or the server stops
    }
    MaybeEnd();
  }

  // The status of what a Watch watches may have changed.
  void Look() {
    if (state_ != State::kWatching || writing_) return;
    const auto status = services_->StatusOf(service_);
    if (status == told_) return;
    told_ = status;
    Health answer;
    answer.set_status(status);
    Write(Bytes(answer));
  }

 private:
  enum class State { kExpected, kAsked, kWatching, kFinishing, kOver };
  struct Read final : Operation {
    explicit Read(Call* call) : call(call) {}
    void Done(bool ok) override { call->OnRead(ok); }
    Call* const call;
  };
  struct Written final : Operation {
    explicit Written(Call* call) : call(call) {}
    void Done(bool ok) override { call->OnWritten(ok); }
    Call* const call;
  };

  void Begin() {
    services_->Take();
    state_ = State::kAsked;
    const bool known =
        context_.method() == kCheck || context_.method() == kWatch || context_.method() == kReflect;
    if (!known) return Finish({grpc::StatusCode::UNIMPLEMENTED, "there is no such method here"});
    if (services_->open_.size() >= services_->calls_max_) {
      return Finish({grpc::StatusCode::RESOURCE_EXHAUSTED,
                     "too many health and reflection calls are open: try again later"});
    }
    services_->open_.insert(this);
    Next();
  }

  void Next() {
    ++under_way_;
    stream_.Read(&in_, &read_);
  }

  void OnRead(bool ok) {
    --under_way_;
    if (state_ == State::kAsked && ok) {
      Answer();
    } else if (state_ == State::kWatching && ok) {
      Next();  // only its end says anything
    } else if (!writing_) {
      Finish(grpc::Status::OK);
    } else {
      ended_ = true;
    }
    MaybeEnd();
  }

  void OnWritten(bool ok) {
    --under_way_;
    writing_ = false;
    if (!ok || ended_ || context_.method() == kCheck) {
      Finish(grpc::Status::OK);
    } else if (state_ == State::kWatching) {
      Look();
    } else {
      Next();
    }
    MaybeEnd();
  }

  void Answer() {
    const grpc::Status malformed(grpc::StatusCode::INVALID_ARGUMENT, "the request is malformed");
    if (context_.method() == kReflect) {
      ServerReflectionRequest request;
      if (!Parse(in_, &request)) return Finish(malformed);
      return Write(Bytes(Reflect(request)));
    }
    HealthCheckRequest request;
    if (!Parse(in_, &request)) return Finish(malformed);
    service_ = request.service();
    if (context_.method() == kWatch) {
      state_ = State::kWatching;
      Next();
      return Look();
    }
    Health answer;
    answer.set_status(services_->StatusOf(service_));
    if (answer.status() == Health::SERVICE_UNKNOWN) {
      return Finish({grpc::StatusCode::NOT_FOUND, "there is no such service here"});
    }
    Write(Bytes(answer));
  }

  void Write(const grpc::ByteBuffer& bytes) {
    writing_ = true;
    ++under_way_;
    stream_.Write(bytes, &written_);
  }

  void Finish(const grpc::Status& status) {
    if (state_ == State::kFinishing || state_ == State::kOver) return;
    state_ = State::kFinishing;
    // A Watch still reads: the read must end for the call to be over.
    ++under_way_;
    stream_.Finish(status, static_cast<Operation*>(this));
  }

  void MaybeEnd() {
    if (state_ != State::kOver || under_way_ > 0) return;
    services_->open_.erase(this);
    delete this;
  }

  StandardServices* const services_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  grpc::ByteBuffer in_;
  Read read_{this};
  Written written_{this};
  State state_ = State::kExpected;
  std::string service_;
  Health::ServingStatus told_ = Health::UNKNOWN;
  int under_way_ = 0;  // operations that the queue will still name
  bool writing_ = false;
  bool ended_ = false;  // the caller has nothing more to say
};

StandardServices::~StandardServices() = default;

void StandardServices::Serve(grpc::ServerCompletionQueue* queue) {
  queue_ = queue;
  Take();
}

void StandardServices::Take() {
  new Call(this);  // deletes itself
}

StandardServices::Health::ServingStatus StandardServices::StatusOf(
    const std::string& service) const {
  const auto found = serving_.find(service);
  if (found == serving_.end()) return Health::SERVICE_UNKNOWN;
  return found->second ? Health::SERVING : Health::NOT_SERVING;
}

void StandardServices::SetServing(const std::string& service, bool serving) {
  serving_[service] = serving;
  for (Call* call : open_) call->Look();
}

ServerReflectionResponse StandardServices::Reflect(const ServerReflectionRequest& request) {
  ServerReflectionResponse answer;
  answer.set_valid_host(request.host());
  *answer.mutable_original_request() = request;
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  const google::protobuf::FileDescriptor* file = nullptr;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const char* service : kServices) {
        answer.mutable_list_services_response()->add_service()->set_name(service);
      }
      return answer;
    case ServerReflectionRequest::kFileByFilename:
      file = pool->FindFileByName(request.file_by_filename());
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      file = pool->FindFileContainingSymbol(request.file_containing_symbol());
      break;
    default:
      answer.mutable_error_response()->set_error_code(grpc::StatusCode::UNIMPLEMENTED);
      answer.mutable_error_response()->set_error_message("nothing is known of extensions here");
      return answer;
  }
  if (file == nullptr) {
    answer.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
    answer.mutable_error_response()->set_error_message("there is no such file or symbol here");
    return answer;
  }
  std::set<std::string> seen;
  AddFile(file, &seen, &answer);
  return answer;
}

}  // namespace triad::server
