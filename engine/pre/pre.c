#include "engine/pre/pre.h"
