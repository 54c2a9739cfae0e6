#include "common/mqtt.h"
