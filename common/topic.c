#include "common/topic.h"
