#include "license/subjects.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace triad::license {
namespace {

struct Row {
  const char* fact;
  const char* options;  // settings and groups
  SubjectType type;
  const char* name;
  Who who;
  bool stands;
};

const Who kAnn{"ann", "pc1.acme.com", "/dev/pts/1", "10.0.0.7", "moon"};

TEST(Subjects, WhoANameStandsFor) {
  using enum SubjectType;
  const Who short_host{"ann", "pc1", "", "", ""};
  const Who v6{"ann", "pc1", "", "fec0::a:7", ""};
  const Who mapped{"ann", "pc1", "", "::ffff:10.0.0.7", ""};
  const Who nobody{"", "", "", "", ""};
  const Row rows[] = {
      {"a user", "", kUser, "ann", kAnn, true},
      {"case counts", "", kUser, "Ann", kAnn, false},
      {"a host", "", kHost, "pc1.acme.com", kAnn, true},
      {"case of hosts counts", "", kHost, "PC1.acme.com", kAnn, false},
      {"no short names by default", "", kHost, "pc1", kAnn, false},
      {"LENIENT: a short name", "FQDN_MATCHING LENIENT", kHost, "pc1", kAnn, true},
      {"LENIENT: a long name", "FQDN_MATCHING LENIENT", kHost, "pc1.acme.com", short_host, true},
      {"LENIENT: two long names", "FQDN_MATCHING LENIENT", kHost, "pc1.b.com", kAnn, false},
      {"EXACT", "FQDN_MATCHING EXACT", kHost, "pc1", kAnn, false},
      {"a host by its address", "", kHost, "10.0.0.7", kAnn, true},
      {"a host by `*`", "", kHost, "10.0.*.*", kAnn, true},
      {"another network", "", kHost, "10.1.*.*", kAnn, false},
      {"a host name by `*`", "", kHost, "pc*.com", kAnn, true},
      {"by several `*`", "", kHost, "*acme*", kAnn, true},
      {"by several `*`, not", "", kHost, "*acne*", kAnn, false},
      {"`*` is also nothing", "", kHost, "pc1*.acme.com", kAnn, true},
      {"its two ends do not overlap", "", kHost, "pc1.acme*acme.com", kAnn, false},
      {"a display", "", kDisplay, "/dev/pts/1", kAnn, true},
      {"another display", "", kDisplay, "/dev/pts/2", kAnn, false},
      {"a project", "", kProject, "moon", kAnn, true},
      {"no project is no project", "", kProject, "moon", short_host, false},
      {"INTERNET", "", kInternet, "10.0.0.7", kAnn, true},
      {"INTERNET with `*`", "", kInternet, "10.*.*.7", kAnn, true},
      {"INTERNET, another", "", kInternet, "10.*.*.8", kAnn, false},
      {"IPv6", "", kInternet, "FEC0:0:0:0:0:0:a:7", v6, true},
      {"IPv6 with `*`", "", kInternet, "fec0::a:*", v6, true},
      {"IPv4 in IPv6 form", "", kInternet, "10.0.0.*", mapped, true},
      {"families are two things", "", kInternet, "*.*.*.*", v6, false},
      {"a group", "GROUP ops bob ann", kGroup, "ops", kAnn, true},
      {"not in the group", "GROUP ops bob", kGroup, "ops", kAnn, false},
      {"a group's name has its case", "GROUP ops ann", kGroup, "OPS", kAnn, false},
      {"members have their case", "GROUP ops ANN", kGroup, "ops", kAnn, false},
      {"GROUPCASEINSENSITIVE", "GROUPCASEINSENSITIVE ON\nGROUP o ANN", kGroup, "o", kAnn, true},
      {"and OFF", "GROUPCASEINSENSITIVE OFF\nGROUP o ANN", kGroup, "o", kAnn, false},
      {"it does not touch USER", "GROUPCASEINSENSITIVE ON", kUser, "ANN", kAnn, false},
      {"a group of hosts", "HOST_GROUP lab x 10.0.0.*", kHostGroup, "lab", kAnn, true},
      {"of host names with `*`", "HOST_GROUP lab pc?.x *.acme.com", kHostGroup, "lab", kAnn, true},
      {"case-blind for hosts too", "GROUPCASEINSENSITIVE ON\nHOST_GROUP lab PC1.*", kHostGroup,
       "lab", kAnn, true},
      {"hosts have their case", "HOST_GROUP lab PC1.acme.com", kHostGroup, "lab", kAnn, false},
      {"a host group is no group", "HOST_GROUP lab pc1.acme.com", kGroup, "lab", kAnn, false},
      {"nobody", "HOST_GROUP lab *", kHostGroup, "lab", nobody, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(absl::StrCat(row.fact, ": ", SubjectTypeName(row.type), " ", row.name));
    SubjectIndex index(ReadOptionsFile("acme.opt", row.options));
    EXPECT_EQ(index.Names(row.type, row.name, row.who), row.stands) << "asked by name";
    const std::optional<uint32_t> number = index.Add(row.type, row.name);
    const Subjects subjects = index.Of(row.who);
    EXPECT_TRUE(std::is_sorted(subjects.begin(), subjects.end()));
    const bool found = number && std::binary_search(subjects.begin(), subjects.end(), *number);
    EXPECT_EQ(found, row.stands) << "asked by number";
  }
}

TEST(Subjects, ANameHasOneNumber) {
  SubjectIndex index(ReadOptionsFile("acme.opt", "GROUP ann ann bob\nGROUP none\n"));
  const auto user = index.Add(SubjectType::kUser, "ann");
  EXPECT_EQ(index.Add(SubjectType::kUser, "ann"), user);
  EXPECT_NE(index.Add(SubjectType::kGroup, "ann"), user);
  EXPECT_EQ(index.Add(SubjectType::kGroup, "none"), std::nullopt);
  EXPECT_EQ(index.Add(SubjectType::kGroup, "other"), std::nullopt);
  EXPECT_EQ(index.Find(SubjectType::kUser, "bob"), std::nullopt);
  EXPECT_EQ(index.members(*index.Find(SubjectType::kGroup, "ann")), 2u);
  EXPECT_EQ(index.type(*user), SubjectType::kUser);
  EXPECT_EQ(index.name(*user), "ann");
}

}  // namespace
}  // namespace triad::license
