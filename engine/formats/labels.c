#include "engine/formats/formats.h"
