// Universal Callback Server: licenses in bulk at the start; each callback request, and each license
// that is blocked, takes one for 60 minutes. Works in Autodial mode against its license when
// vcb_preview is there.
#include <set>

#include "client/examples/application.h"

namespace triad::examples {
namespace {

constexpr char kFeature[] = "vcb_callback";
constexpr char kPreview[] = "vcb_preview";
constexpr int64_t kSeatMs = 60 * kMinuteMs;

class UniversalCallbackServer : public Application {
 public:
  UniversalCallbackServer() : Application("universal_callback_server") {}

 private:
  std::string Commands() const override { return "callback, block, call CDN, hangup NUMBER, "; }
  Words Features() const override { return {kFeature}; }

  bool Start() override {
    pool_ = OpenPool(kFeature, NumOfLicenses());
    if (!pool_) return false;
    // Without it calls are not previewed; that is no violation.
    CheckoutRequest request;
    request.feature = kPreview;
    Result<License> preview = client().Checkout(request);
    Say(preview ? "license granted: 1 vcb_preview" : "no preview: " + preview.status().ToString());
    if (preview) preview_ = *std::move(preview);
    return true;
  }

  bool Do(const Words& words) override {
    if (words[0] == "callback" && words.size() == 1) {
      Take("callback " + std::to_string(++callbacks_));
    } else if (words[0] == "block" && words.size() == 1) {
      Take("block " + std::to_string(++blocks_));
    } else if (words[0] == "call" && words.size() == 2) {
      Call(words[1]);
    } else if (words[0] == "hangup" && words.size() == 2) {
      Say("call " + words[1] + ": over");
      if (preview_calls_.erase(words[1]) == 0) return true;
      Report({/*restored=*/true, kPreview, kReasonUnlicensedMode, "call " + words[1]});
    } else {
      return false;
    }
    return true;
  }

  void Take(const std::string& what) {
    Say(what + ": accepted, takes a license for 60 minutes");
    pool_->AllocateFor(what, kSeatMs);
  }

  // A CDN's mode stands in section [cdn]; without one its name is its mode.
  void Call(const std::string& cdn) {
    const std::string number = std::to_string(++calls_);
    std::string mode = configuration().Get("cdn", cdn);
    if (mode.empty()) mode = cdn;
    Say("call " + number + ": on CDN " + cdn + ", mode " + mode);
    if (mode != "autodial" || preview_.state() == LicenseState::kReturned) return;
    Say("GCTI_LICENSE_FAIL: vcb_preview is licensed, the call is on an Autodial CDN");
    preview_calls_.insert(number);
    Report({/*restored=*/false, kPreview, kReasonUnlicensedMode, "call " + number});
  }

  void OptionChanged(const std::string& option, const Count&) override {
    if (option == "num-of-licenses") ResizePool(*pool_, kFeature, NumOfLicenses());
  }
  void TimePassed() override { pool_->Advance(); }
  void ShowStatus() override { SayPool(kFeature, *pool_); }
  void Hear(const Event& event) override {
    if (event.feature == kPreview) return ReportOf(event, "");
    SayConnection(event);
    if (pool_) pool_->Hear(event);
  }

  std::optional<SeatPool> pool_;
  License preview_;
  int callbacks_ = 0;
  int blocks_ = 0;
  int calls_ = 0;
  std::set<std::string> preview_calls_;  // in violation, by number
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::UniversalCallbackServer().Run(argc, argv);
}
