#include "license/act_text.h"

#include "absl/strings/str_cat.h"

namespace triad::license {
namespace {

// Of what a node says that was done to it: a line.
constexpr size_t kNoteBytesMax = 500;

}  // namespace

std::string ActText(const v1::AdminCommand& admin) {
  switch (admin.act_case()) {
    case v1::AdminCommand::kReserve: {
      const v1::Reserve& reserve = admin.reserve();
      return absl::StrCat("reserve ", reserve.feature(), " ", reserve.count(), " ", reserve.type(),
                          " ", reserve.name());
    }
    case v1::AdminCommand::kUnreserve:
      return absl::StrCat("unreserve ", admin.unreserve().id());
    case v1::AdminCommand::kRemove: {
      const v1::RemoveCheckouts& remove = admin.remove();
      const absl::string_view force = remove.force() ? " also if borrowed" : "";
      if (remove.handle() != 0) {
        return absl::StrCat("remove ", remove.feature(), " handle ", remove.handle(), force);
      }
      return absl::StrCat("remove ", remove.feature(), " ", remove.user(), " ", remove.host(), " ",
                          remove.display(), force);
    }
    case v1::AdminCommand::kUndoClock:
      return "undo the clock";
    case v1::AdminCommand::kNoted:
      return admin.noted().what().substr(0, kNoteBytesMax);
    case v1::AdminCommand::kStopVendor:
      return absl::StrCat("stop vendor ", admin.stop_vendor().vendor());
    case v1::AdminCommand::kStartVendors:
      return admin.start_vendors().vendor().empty()
                 ? "start all vendors"
                 : absl::StrCat("start vendor ", admin.start_vendors().vendor());
    case v1::AdminCommand::ACT_NOT_SET:
      break;
  }
  return "nothing";
}

}  // namespace triad::license
