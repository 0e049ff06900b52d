# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./pipelines/demo and ./tests/run: installs what is missing and builds.
# Needs: $root (source tree). Offers: weir_packages NAME..., weir_build BUILD_DIR [MESON OPTION...].

weir_build_packages="gcc libc6-dev meson ninja-build pkg-config libglib2.0-dev libgstreamer1.0-dev
  libgstreamer-plugins-base1.0-dev libdnnl-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev
  libjson-glib-dev libpango1.0-dev ocl-icd-opencl-dev opencl-headers check"
weir_run_packages="gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-x fonts-dejavu-core"
weir_launch_packages="gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav"
weir_camera_packages="python3-gi gir1.2-gst-rtsp-server-1.0"
weir_test_packages="$weir_launch_packages $weir_camera_packages gir1.2-gst-plugins-base-1.0 python3
  pocl-opencl-icd"
weir_kernel_packages="oclgrind" # not in Debian 13

weir_is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs the packages that are missing: under root without asking, else says how.
weir_packages() {
  local missing="" package
  command -v dpkg-query >/dev/null || {
    echo "This is not a Debian system: packages are not checked (see docs/contributing.md)." >&2
    return 0
  }
  for package in "$@"; do
    weir_is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  echo "Missing packages (to build and run Weir):$missing" >&2
  if [ "$(id -u)" != 0 ]; then
    echo "Install them with:  sudo apt-get install --no-install-recommends$missing" >&2
    return 1
  fi
  echo "Installing them with apt-get ..." >&2
  local log; log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }; } \
    >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "apt-get failed: see above." >&2
    return 1
  fi
  rm -f "$log"
}

# What of a configured build folder to compile; nothing said is all.
weir_targets() {
  :
}

# Configures (once) and compiles; prints the compiler's output only when it fails.
weir_build() {
  local dir=$1 log; shift
  log=$(mktemp)
  echo "Building in ${dir#"$root"/} ..." >&2
  if [ ! -f "$dir/build.ninja" ]; then
    meson setup "$@" "$dir" "$root" >"$log" 2>&1 || { tail -n 40 "$log" >&2; rm -f "$log"; return 1; }
  fi
  # shellcheck disable=SC2046
  if ! ninja -C "$dir" $(weir_targets "$dir") >"$log" 2>&1; then
    grep -E 'error:|warning:|FAILED:' -A 5 "$log" | tail -n 80 >&2
    rm -f "$log"
    echo "The build failed: see above." >&2
    return 1
  fi
  rm -f "$log"
}
