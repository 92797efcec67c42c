#include "cli/lmdiag.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(Lmdiag, ALicenseIsDescribedAndTheOutcomeSaid) {
  v1::Feature feature;
  feature.set_name("f1");
  feature.set_vendor("genesys.d");
  v1::Pool pool;
  pool.set_version("8.0");
  pool.set_expires("permanent");
  pool.set_licenses(10);
  pool.set_used(3);
  EXPECT_EQ(DiagnosedPool(feature, pool, "27000@lic1", Status()),
            "\"f1\" v8.0, vendor: genesys.d\n"
            "  License server: 27000@lic1\n"
            "  floating license, 3 of 10 in use, expires: permanent(no expiration date)\n"
            "This license can be checked out\n");
  Status no;
  no.kind = ErrorKind::kDenied;
  no.code = -10;
  no.message = "license has expired";
  pool.set_host_ids("ID=1");
  pool.set_uncounted(true);
  pool.set_expires("1-jan-2020");
  EXPECT_EQ(DiagnosedPool(feature, pool, "27000@lic1", no),
            "\"f1\" v8.0, vendor: genesys.d\n"
            "  License server: 27000@lic1\n"
            "  nodelocked license, locked to \"ID=1\", expires: 1-jan-2020\n"
            "This license cannot be checked out because:\n"
            "  license has expired (-10)\n");
}

}  // namespace
}  // namespace triad::cli
