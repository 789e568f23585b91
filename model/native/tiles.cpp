// Asks the operating system for the matrix unit.

#include "tiles.h"

#ifdef __AMX_INT8__
#include <sys/syscall.h>
#include <unistd.h>
#endif

extern "C" {

// Lets products use tiles, or not; whether they do. Not while a step runs.
bool footnote_tiles([[maybe_unused]] bool wanted) {
#ifdef __AMX_INT8__
    constexpr int REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;  // of arch_prctl, Linux 5.16 and later
    footnote::tiles_in_use = wanted && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#endif
    return footnote::tiles_in_use;
}

bool footnote_has_tiles() { return footnote::tiles_in_use; }
}
