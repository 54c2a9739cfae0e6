#include "agent/input.h"
