// A plain application: the guide's "License Check Process" and nothing else. It finds the license
// server, asks for a license, works with it, and gives it back at its end.
#include "client/examples/application.h"

namespace triad::examples {
namespace {

constexpr char kFeature[] = "plain_application";

class PlainApplication : public Application {
 public:
  PlainApplication() : Application("plain_application") {}

 private:
  std::string Commands() const override { return ""; }
  Words Features() const override { return {kFeature}; }

  bool Start() override {
    Say(std::string("asks for 1 ") + kFeature);
    CheckoutRequest request;
    request.feature = kFeature;
    Result<License> license = client().Checkout(request);
    if (!license) {
      Say(license.status().ToString());
      Report({/*restored=*/false, kFeature, kReasonDeniedAtStart, ""});
      return false;
    }
    license_ = *std::move(license);
    Say(std::string("license granted: 1 ") + kFeature);
    return true;
  }

  bool Do(const Words&) override { return false; }
  void ShowStatus() override {
    Say(std::string(kFeature) + (license_.usable() ? ": at work" : ": stopped"));
  }
  void Hear(const Event& event) override { ReportOf(event, ""); }

  License license_;
};

}  // namespace
}  // namespace triad::examples

int main(int argc, char** argv) {
  return triad::examples::PlainApplication().Run(argc, argv);
}
