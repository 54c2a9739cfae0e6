#include "common/envelope.h"
