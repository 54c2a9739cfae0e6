#include "common/crc32c.h"
