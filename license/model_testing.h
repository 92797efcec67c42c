// Who should hold what, reckoned a second time, slowly and plainly: a list of what is out, a list
// of those who wait, a list of what is set aside, searched from end to end for every answer. For
// the property test of the ledger's seats (ledger_seats_property_test.cc), with which it shares no
// code.
//
// It knows features with one pool each, sharing by user as the line says or as the application
// asks, overdraft and its cap, minimum, lingers, borrowing, other counts while held, reservations
// for users at run time and by the options file, queues, several features at once, and changes of
// the number of licenses. It does not know sessions' attachments, exactly-once and dates:
// ledger_property_test.cc has a model for those.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace triad::license::testing {

struct ModelFeature {
  uint64_t licenses = 0;
  uint64_t overdraft = 0;
  uint64_t minimum = 1;
  uint64_t linger_ms = 0;
  bool by_user = false;                       // DUP_GROUP=U
  bool borrow = false;                        // BORROW
  std::map<std::string, uint64_t> kept = {};  // RESERVE: user -> licenses

  uint64_t overdraft_max = UINT64_MAX;  // MAX_OVERDRAFT
  uint64_t all() const {
    return licenses + (overdraft < overdraft_max ? overdraft : overdraft_max);
  }
};

class SeatModel {
 public:
  struct Item {
    std::string feature;
    uint64_t count = 1;
    bool up_to = false;
    bool by_user = false;  // asked for by the application
  };
  struct Out {
    uint64_t handle = 0;
    std::string session;  // "": lingers
    std::string user;
    std::string feature;
    uint64_t count = 0;
    uint64_t lingers_until = 0;
    bool shared = false;  // with what else its user has
    bool borrowed = false;
  };
  struct Waits {
    uint64_t ticket = 0;
    std::string session;
    std::string user;
    std::vector<Item> items;
    uint64_t ends = 0;
  };
  struct Reserved {
    uint64_t id = 0;
    std::string feature;
    std::string user;
    uint64_t count = 0;
    uint64_t ends = 0;
  };

  // Each answers in words: "granted 2 1", "denied -4", "queued", "done", "refused".
  std::string Checkout(const std::string& session, const std::string& user,
                       const std::vector<Item>& items, bool wait, uint64_t wait_ms);
  std::string Checkin(const std::string& session, uint64_t handle);
  std::string Resize(const std::string& session, uint64_t handle, uint64_t count, bool up_to);
  std::string Borrow(const std::string& session, const std::string& user,
                     const std::string& feature, uint64_t count);
  std::string Return(const std::string& user, uint64_t handle);
  std::string Cancel(const std::string& session, uint64_t ticket);
  std::string Reserve(const std::string& feature, const std::string& user, uint64_t count,
                      uint64_t for_ms);
  std::string Unreserve(uint64_t id);
  std::string TimePasses();
  void End(const std::string& session);
  void Change(const std::map<std::string, ModelFeature>& features);

  uint64_t UsedOf(const std::string& feature) const;
  uint64_t UsedOf(const std::string& feature, const std::string& user) const;
  // How much of what is set aside for the user is not out.
  uint64_t Unused(const std::string& feature, const std::string& user) const;

  std::map<std::string, ModelFeature> features;
  std::vector<Out> outs;           // by handle
  std::vector<Waits> waits;        // in order
  std::vector<Reserved> reserved;  // by id
  uint64_t now = 0;
  uint64_t next_handle = 101;
  std::vector<uint64_t> served;  // tickets that the last step granted, in order

 private:
  std::string Never(const Item& item) const;  // "": it may come free
  std::string Try(const std::string& session, const std::string& user,
                  const std::vector<Item>& items, uint64_t ticket);
  std::string Take(const std::string& session, const std::string& user, const Item& item,
                   uint64_t ticket, uint64_t handle, uint64_t minimum);
  uint64_t Shared(const std::string& feature, const std::string& user) const;
  uint64_t KeptFor(const std::string& feature, const std::string& user) const;
  std::set<std::string> Users(const std::string& feature) const;
  void Release(Out out);
  bool EndLingersOver();
  void ServeAll();
};

}  // namespace triad::license::testing
