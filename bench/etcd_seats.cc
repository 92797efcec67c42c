#include "bench/etcd_seats.h"

#include <chrono>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "grpcpp/grpcpp.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr const char* kEtcd = "/usr/bin/etcd";
constexpr int kMembers = 3;
constexpr int kStartMs = 30'000;
constexpr int64_t kCancelMs = 10'000;

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

EtcdCluster::EtcdCluster(const Hosts* hosts) : hosts_(hosts) {
  for (int member = 1; member <= kMembers; ++member) {
    const auto at = static_cast<size_t>(member);
    client_ports_[at] = integration::FreePort();
    peer_ports_[at] = integration::FreePort();
    host_of_[at] = hosts == nullptr ? "127.0.0.1" : hosts->address(member);
    addresses_[at] = absl::StrCat(host_of_[at], ":", client_ports_[at]);
    channels_[at] = ChannelTo(addresses_[at]);
  }
}

void EtcdCluster::StartMember(int member) {
  std::string all;
  for (int i = 1; i <= kMembers; ++i) {
    const auto at = static_cast<size_t>(i);
    absl::StrAppend(&all, i > 1 ? "," : "", "m", i, "=http://", host_of_[at], ":", peer_ports_[at]);
  }
  const auto at = static_cast<size_t>(member);
  const std::string client = absl::StrCat("http://", addresses_[at]);
  const std::string peer = absl::StrCat("http://", host_of_[at], ":", peer_ports_[at]);
  const std::vector<std::string> command{kEtcd,
                                         absl::StrCat("--name=m", member),
                                         absl::StrCat("--data-dir=", dir_.path(), "/m", member),
                                         absl::StrCat("--listen-client-urls=", client),
                                         absl::StrCat("--advertise-client-urls=", client),
                                         absl::StrCat("--listen-peer-urls=", peer),
                                         absl::StrCat("--initial-advertise-peer-urls=", peer),
                                         absl::StrCat("--initial-cluster=", all),
                                         "--log-level=error"};
  std::vector<std::string> argv;
  if (hosts_ != nullptr) argv = hosts_->launcher(member);
  argv.insert(argv.end(), command.begin(), command.end());
  processes_[at] = integration::Process(integration::Process::Options{
      .argv = argv, .environment = {}, .output = absl::StrCat(dir_.path(), "/m", member, ".log")});
}

bool EtcdCluster::IsInstalled() {
  return access(kEtcd, X_OK) == 0;
}

bool EtcdCluster::Start() {
  if (!IsInstalled()) {
    std::cerr << "bench: " << kEtcd << " is not there: apt-get install etcd-server\n";
    return false;
  }
  for (int member = 1; member <= kMembers; ++member) StartMember(member);
  const bool up = integration::WaitFor([this] { return Leader() != 0; }, kStartMs);
  if (!up) std::cerr << "bench: etcd did not come up; its logs: " << dir_.path() << "\n";
  return up;
}

std::pair<uint64_t, uint64_t> EtcdCluster::IdAndLeader(int member) const {
  const auto& channel = channels_[static_cast<size_t>(member)];
  const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(500);
  // gRPC connects while somebody waits for it; between failed calls nobody does.
  if (!channel->WaitForConnected(deadline)) return {0, 0};
  auto stub = etcdserverpb::Maintenance::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(deadline);
  etcdserverpb::StatusResponse response;
  if (!stub->Status(&context, {}, &response).ok()) return {0, 0};
  return {response.header().member_id(), response.leader()};
}

bool EtcdCluster::IsWhole() const {
  uint64_t first = 0;
  for (int member = 1; member <= kMembers; ++member) {
    const uint64_t leader = IdAndLeader(member).second;
    if (leader == 0 || (first != 0 && leader != first)) return false;
    first = leader;
  }
  return true;
}

int EtcdCluster::Leader() const {
  std::array<uint64_t, 4> ids{};
  uint64_t leader = 0;
  int answers = 0;
  for (int member = 1; member <= kMembers; ++member) {
    const auto [id, leads] = IdAndLeader(member);
    ids[static_cast<size_t>(member)] = id;
    if (id != 0) ++answers;
    if (leads != 0) leader = leads;
  }
  if (answers < 2 || leader == 0) return 0;
  for (int member = 1; member <= kMembers; ++member) {
    if (ids[static_cast<size_t>(member)] == leader) return member;
  }
  return 0;
}

int EtcdSeats::next_run_ = 0;

struct EtcdSeats::Call : Tag {
  EtcdSeats* seats = nullptr;
  int session = 0;
  bool take = false;
  int64_t seat = 0;
  Done done;
  grpc::ClientContext context;
  etcdserverpb::TxnResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::TxnResponse>> reader;

  void Proceed(bool ok) override {
    std::unique_ptr<Call> self(this);
    seats->OnAnswer(this, ok && status.ok());
  }
};

EtcdSeats::EtcdSeats(Loop& loop, const std::vector<std::string>& addresses, int sessions)
    : loop_(loop) {
  for (int i = 0; i < sessions; ++i) {
    stubs_.push_back(
        etcdserverpb::KV::NewStub(ChannelTo(addresses[static_cast<size_t>(i) % addresses.size()])));
  }
}

void EtcdSeats::Operate(int session, Done done) {
  int64_t seat = 0;
  if (free_.empty()) {
    seat = seats_++;
  } else {
    seat = free_.back();
    free_.pop_back();
  }
  Send(session, true, seat, std::move(done));
}

void EtcdSeats::Send(int session, bool take, int64_t seat, Done done) {
  const std::string key = absl::StrFormat("seats/%d/%08d", run_, seat);
  etcdserverpb::TxnRequest request;
  etcdserverpb::Compare& compare = *request.add_compare();
  compare.set_result(take ? etcdserverpb::Compare::EQUAL : etcdserverpb::Compare::NOT_EQUAL);
  compare.set_target(etcdserverpb::Compare::CREATE);
  compare.set_key(key);
  compare.set_create_revision(0);
  etcdserverpb::RequestOp& then = *request.add_success();
  if (take) {
    then.mutable_request_put()->set_key(key);
    then.mutable_request_put()->set_value(absl::StrCat("bench bench /dev/tty ", session));
  } else {
    then.mutable_request_delete_range()->set_key(key);
  }
  auto* call = new Call;  // owns itself until the queue has called it
  under_way_.insert(call);
  call->seats = this;
  call->session = session;
  call->take = take;
  call->seat = seat;
  call->done = std::move(done);
  call->reader =
      stubs_[static_cast<size_t>(session)]->AsyncTxn(&call->context, request, loop_.queue());
  call->reader->Finish(&call->response, &call->status, call);
}

EtcdSeats::~EtcdSeats() {
  for (Call* call : under_way_) call->context.TryCancel();
  loop_.Until([this] { return under_way_.empty(); }, kCancelMs);
}

void EtcdSeats::OnAnswer(Call* call, bool ok) {
  under_way_.erase(call);
  if (!ok) {
    // The seat's key may be there or not: it is not used again.
    return call->done(false);
  }
  if (!call->response.succeeded() && wrong_.empty()) {
    wrong_ = absl::StrCat("seat ", call->seat, call->take ? " was taken" : " was free");
  }
  if (call->take) return Send(call->session, false, call->seat, std::move(call->done));
  free_.push_back(call->seat);
  call->done(call->response.succeeded());
}

}  // namespace triad::bench
