#include "client/site.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace triad::client {

Site::Site(Cluster cluster, Session::Config config, GrpcTransport::TrustSource trust, Clock* clock,
           Random* random, SiteOwner* owner)
    : cluster_(std::move(cluster)),
      owner_(owner),
      clock_(clock),
      transport_(cluster_.servers, clock, std::move(trust)),
      session_(std::move(config), Environment{&transport_, clock, random, this}) {
}

Site::~Site() {
  Stop();
}

void Site::Start(const Session::Patience& patience, Session::Done decided) {
  started_ms_ = clock_->NowMs();
  transport_.Start(&session_);
  transport_.Post(
      [this, patience, decided = std::move(decided)] { session_.Start(patience, decided); });
}

bool Site::Post(std::function<void()> task) {
  return transport_.Post(std::move(task));
}

void Site::Close(const Session::Done& done) {
  const bool posted = Post([this, done] { session_.StartClose(done); });
  if (!posted) done(Status());
}

void Site::Stop() {
  transport_.Stop();
}

std::string Site::Addresses() const {
  return absl::StrJoin(cluster_.servers, ",", [](std::string* out, const Address& address) {
    absl::StrAppend(out, FormatAddress(address));
  });
}

}  // namespace triad::client
