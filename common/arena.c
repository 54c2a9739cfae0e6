#include "common/arena.h"
