# Builds for armhf with Debian's cross compiler; libraries come from the sysroot that tests/armhf/run
# unpacks (SHOAL_SYSROOT), libc from the cross compiler's own packages. Programs run under qemu.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabihf)

# protoc and its plugin run on the build machine.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# CMake reads this file again for its trials of the compiler, without the cache.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SHOAL_SYSROOT)
set(libraries ${SHOAL_SYSROOT}/usr/lib/arm-linux-gnueabihf)
set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${SHOAL_SYSROOT})
set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${libraries} -Wl,-rpath,${libraries}")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-arm -L /usr/arm-linux-gnueabihf)
