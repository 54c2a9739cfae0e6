#include "agent/uplink.h"
