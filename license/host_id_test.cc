#include "license/host_id.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using Type = HostId::Type;

struct Reading {
  const char* fact;
  const char* text;
  Type type;
  const char* value;
  const char* written;
};

TEST(HostId, ReadsEveryFormThatIsServed) {
  const Reading rows[] = {
      {"ether", "0019d1aabbcc", Type::kEther, "0019d1aabbcc", "0019d1aabbcc"},
      {"ether in upper case", "000476BA8EE9", Type::kEther, "000476ba8ee9", "000476ba8ee9"},
      {"ANY", "ANY", Type::kAny, "", "ANY"},
      {"any", "any", Type::kAny, "", "ANY"},
      {"DEMO", "DEMO", Type::kDemo, "", "DEMO"},
      {"host name", "HOSTNAME=lic1.example.com", Type::kHostname, "lic1.example.com",
       "HOSTNAME=lic1.example.com"},
      {"keyword in lower case", "hostname=Lic1", Type::kHostname, "Lic1", "HOSTNAME=Lic1"},
      {"address", "INTERNET=195.186.1.2", Type::kInternet, "195.186.1.2", "INTERNET=195.186.1.2"},
      {"wildcards", "INTERNET=195.186.*.*", Type::kInternet, "195.186.*.*", "INTERNET=195.186.*.*"},
      {"IPv6", "INTERNET=fd00::1", Type::kInternet, "fd00::1", "INTERNET=fd00::1"},
      {"dashes in ID are cosmetic", "ID=1234-5678", Type::kId, "12345678", "ID=12345678"},
      {"user", "USER=ann", Type::kUser, "ann", "USER=ann"},
      {"a dongle is not supported", "FLEXID=9-12345678", Type::kUnsupported, "FLEXID=9-12345678",
       "FLEXID=9-12345678"},
      {"COMPOSITE", "COMPOSITE=0123456789AB", Type::kComposite, "0123456789ab",
       "COMPOSITE=0123456789ab"},
      {"DISPLAY", "display=:0", Type::kDisplay, ":0", "DISPLAY=:0"},
      {"UUID, dashes are cosmetic", "UUID=0123ABCD-4567-89ab-cdef-0123456789ab", Type::kMachine,
       "0123abcd456789abcdef0123456789ab", "UUID=0123abcd456789abcdef0123456789ab"},
      {"nor a 32-bit number of Solaris", "17007EA8", Type::kUnsupported, "17007ea8", "17007ea8"},
  };
  for (const Reading& row : rows) {
    SCOPED_TRACE(row.fact);
    absl::StatusOr<HostId> id = ParseHostId(row.text);
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(id->type, row.type);
    EXPECT_EQ(id->value, row.value);
    EXPECT_EQ(id->ToString(), row.written);
    EXPECT_EQ(*ParseHostId(id->ToString()), *id);
  }
}

struct Refusal {
  const char* fact;
  const char* text;
  const char* says;
};

TEST(HostId, SaysWhatIsWrong) {
  const Refusal rows[] = {
      {"empty", "", "not a host id"},
      {"11 digits", "0019d1aabbc", "not a host id"},
      {"13 digits", "0019d1aabbccd", "not a host id"},
      {"not hex", "0019d1aabbcg", "not a host id"},
      {"colons", "00:19:D1:AA:BB:CC", "write it as `0019d1aabbcc`"},
      {"no value", "HOSTNAME=", "nothing on one side"},
      {"no name", "=x", "nothing on one side"},
      {"octet above 255", "INTERNET=195.186.1.256", "not an address"},
      {"three octets", "INTERNET=195.186.1", "not an address"},
      {"five octets", "INTERNET=1.2.3.4.5", "not an address"},
      {"two gaps", "INTERNET=fd00::1::2", "not an address"},
      {"nine groups", "INTERNET=1:2:3:4:5:6:7:8:9", "not an address"},
      {"seven groups", "INTERNET=1:2:3:4:5:6:7", "not an address"},
      {"dashes alone", "ID=--", "has no digits"},
      {"odd bytes in ID", "ID=12.34", "digits, letters and dashes"},
  };
  for (const Refusal& row : rows) {
    SCOPED_TRACE(row.fact);
    absl::StatusOr<HostId> id = ParseHostId(row.text);
    ASSERT_FALSE(id.ok());
    EXPECT_NE(id.status().message().find(row.says), absl::string_view::npos) << id.status();
  }
}

TEST(HostId, AListHoldsAnyNumberUpToItsLimit) {
  absl::StatusOr<std::vector<HostId>> ids = ParseHostIdList(" ANY\t0019D1AABBCC  ID=1-2 ");
  ASSERT_TRUE(ids.ok());
  ASSERT_EQ(ids->size(), 3u);
  EXPECT_EQ((*ids)[1].value, "0019d1aabbcc");
  EXPECT_EQ((*ids)[2].value, "12");
  EXPECT_FALSE(ParseHostIdList("").ok());
  EXPECT_FALSE(ParseHostIdList("ANY nonsense").ok());
  std::string many;
  for (size_t i = 0; i < kHostIdsPerLineMax; ++i) absl::StrAppend(&many, "ANY ");
  EXPECT_TRUE(ParseHostIdList(many).ok());
  EXPECT_FALSE(ParseHostIdList(many + "ANY").ok());
}

MachineIds TestMachine() {
  MachineIds machine;
  machine.ethers = {"0019d1aabbcc", "020000000001"};
  machine.hostnames = {"lic1", "lic1.example.com"};
  machine.addresses = {"10.1.2.3",           "127.0.0.0/8",    "::1",         "fd00:0:0:1::7",
                       "::ffff:192.168.5.6", "172.16.64.0/20", "fe80::1%eth0"};
  machine.user = "triad";
  return machine;
}

struct Match {
  const char* fact;
  const char* text;
  bool matches;
};

TEST(HostId, MatchesTheMachineItNames) {
  const Match rows[] = {
      {"ANY", "ANY", true},
      {"DEMO", "DEMO", true},
      {"ID is like ANY", "ID=1234", true},
      {"first card", "0019D1AABBCC", true},
      {"second card", "020000000001", true},
      {"another card", "0019d1aabbcd", false},
      {"short name", "HOSTNAME=lic1", true},
      {"full name, other case", "HOSTNAME=LIC1.Example.COM", true},
      {"part of a name", "HOSTNAME=lic", false},
      {"user", "USER=triad", true},
      {"user names have case", "USER=Triad", false},
      {"address", "INTERNET=10.1.2.3", true},
      {"another address", "INTERNET=10.1.2.4", false},
      {"wildcard", "INTERNET=10.1.*.*", true},
      {"wildcard in the middle", "INTERNET=10.*.2.3", true},
      {"wildcard that does not fit", "INTERNET=10.2.*.*", false},
      {"loopback", "INTERNET=127.0.0.1", true},
      {"another loopback address", "INTERNET=127.3.2.1", true},
      {"wildcard into a network", "INTERNET=127.*.*.1", true},
      {"not loopback", "INTERNET=128.0.0.1", false},
      {"network that ends within a byte", "INTERNET=172.16.79.255", true},
      {"just behind it", "INTERNET=172.16.80.0", false},
      {"IPv6 loopback", "INTERNET=::1", true},
      {"IPv6 written in full", "INTERNET=fd00:0000:0:1:0:0:0:7", true},
      {"IPv6 in upper case", "INTERNET=FD00:0:0:1::7", true},
      {"IPv6 wildcard", "INTERNET=fd00:*:*:1::7", true},
      {"another IPv6 address", "INTERNET=fd00::7", false},
      {"IPv6 address with a zone", "INTERNET=fe80::1", true},
      {"an IPv4 address as IPv6 shows it", "INTERNET=192.168.5.6", true},
      {"and written so", "INTERNET=::ffff:10.1.2.3", true},
      {"unsupported types match nothing", "FLEXID=9-12345678", false},
      {"nor do 32-bit numbers", "17007ea8", false},
  };
  const MachineIds machine = TestMachine();
  for (const Match& row : rows) {
    SCOPED_TRACE(row.fact);
    absl::StatusOr<HostId> id = ParseHostId(row.text);
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(Matches(*id, machine), row.matches);
  }
}

TEST(HostId, AnEmptyMachineMatchesNothingThatNamesOne) {
  for (const char* text : {"0019d1aabbcc", "HOSTNAME=x", "INTERNET=*.*.*.*", "USER=x"}) {
    EXPECT_FALSE(Matches(*ParseHostId(text), MachineIds())) << text;
  }
}

TEST(HostId, DamagedAddressesOfAMachineMatchNothing) {
  MachineIds machine;
  machine.addresses = {"", "/8", "127.0.0.0/99", "127.0.0.0/-1", "127.0.0.0/x", "1.2.3", "::1::"};
  EXPECT_FALSE(Matches(*ParseHostId("INTERNET=127.0.0.1"), machine));
}

TEST(HostId, AMachineIdMakesAUuidThatDoesNotTellIt) {
  const std::string uuid = MachineUuid("B8D7e3a1\n");
  EXPECT_EQ(uuid.size(), 32u);
  EXPECT_EQ(uuid, MachineUuid("b8d7e3a1"));
  EXPECT_NE(uuid, MachineUuid("b8d7e3a2"));
  EXPECT_EQ(MachineUuid(" \n"), "");
  MachineIds machine;
  EXPECT_FALSE(Matches(*ParseHostId("UUID=" + uuid), machine));
  machine.uuid = uuid;
  machine.display = ":0";
  EXPECT_TRUE(Matches(*ParseHostId("UUID=" + uuid), machine));
  EXPECT_FALSE(Matches(*ParseHostId("UUID=" + MachineUuid("x")), machine));
  EXPECT_TRUE(Matches(*ParseHostId("DISPLAY=:0"), machine));
  EXPECT_FALSE(Matches(*ParseHostId("DISPLAY=:1"), machine));
  // Only an application that has the vendor's tool can state it.
  EXPECT_FALSE(Matches(*ParseHostId("COMPOSITE=0123456789ab"), machine));
  EXPECT_FALSE(ParseHostId("UUID=0123").ok());
  EXPECT_FALSE(ParseHostId("COMPOSITE=xyz").ok());
}

}  // namespace
}  // namespace triad::license
