/* What this kernel is: the only object that depends on the whole configuration. */
#include <linux/compile.h>
#include <linux/version.h>
#include <linux/build-id.h>

const char linux_release[] = UTS_RELEASE;
const char config_sha256[] = CONFIG_SHA256;
