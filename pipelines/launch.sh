# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by pipelines/*/run: options, sources, networks, encoder and sinks of a launch line, which it prints or runs.
#
# A run script calls launch_parse, then fills `line` from the words that the functions below leave in arrays of their
# names (source, inference, overlay, encoder, show), then calls launch_run. A word is one argument of gst-launch-1.0.

set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=$(basename "$(cd "$(dirname "$0")" && pwd)")
. "$root/pipelines/setup.sh"

clock_rate=25
clock_text=('font-desc=DejaVu Sans Bold 36' shaded-background=true xpad=12 ypad=12)
clock_patterns=(smpte ball pinwheel spokes gamut colors chroma-zone-plate snow)

# element:package, where they are not in plugins-base
launch_packages="avdec_h264:gstreamer1.0-libav h264parse:gstreamer1.0-plugins-bad hlssink2:gstreamer1.0-plugins-bad
  inferclassify:weir inferdetect:weir inferoverlay:weir inferpublish:weir
  jpegenc:gstreamer1.0-plugins-good matroskamux:gstreamer1.0-plugins-good mp4mux:gstreamer1.0-plugins-good
  openh264enc:gstreamer1.0-plugins-bad pngenc:gstreamer1.0-plugins-good rtspsrc:gstreamer1.0-plugins-good
  textoverlay:gstreamer1.0-x timeoverlay:gstreamer1.0-x v4l2src:gstreamer1.0-plugins-good x264enc:gstreamer1.0-plugins-ugly"

launch_fail() {
  echo "pipelines/$name/run: $*" >&2
  exit 1
}

launch_usage() {
  cat <<TEXT
Usage: pipelines/$name/run [OPTION...] $input_words

$about
Without an input it takes the embedded default: a test picture with a burnt-in clock, read by the two tiny
networks of pipelines/clocks. Installs what is missing and builds first.
  --model M           detector: .onnx, .xml, or a folder with one of them
  --labels L          its labels: a file, one a line; or a,b,c
  --model-proc P      what is said of it in DL Streamer's format: a file
  --classify-model M  network that looks at each object; without it none does
  --classify-proc P   what is said of that: a file
  --device D          where the networks run (CPU)
  --threshold T       least confidence of an object (0.5)
  --seconds N         ends after N seconds (${default_seconds/#0/never by itself})
  --output DIR        where the results go (${default_output:-build/pipelines/$name})
  --view              shows a window instead of writing a video
  --print             prints the gst-launch-1.0 line and does nothing else
  --build DIR         takes the plugin of this build folder; installs and builds nothing
${more_options:-}
TEXT
}

# Fills the options' variables and `inputs`.
launch_parse() {
  model="" labels="" model_proc="" classify_model="" classify_proc="" device="" threshold="" seconds="" view="" print="" build="" inputs=() overlay=(inferoverlay)
  output=""
  while [ $# -gt 0 ]; do
    case "$1" in
      -h|--help) launch_usage; exit 0 ;;
      --view) view=yes ;;
      --print) print=yes ;;
      --model|--labels|--model-proc|--classify-model|--classify-proc|--device|--threshold|--seconds|--output|--build)
        [ $# -gt 1 ] || launch_fail "$1 needs a value, see --help"
        local variable=${1#--}
        printf -v "${variable//-/_}" %s "$2"
        shift ;;
      -*) launch_fail "unknown option '$1', see --help" ;;
      *) inputs+=("$1") ;;
    esac
    shift
  done
  plugins=${build:-$root/build}/gst
  output=${output:-${default_output:-${print:+.}}}
  output=${output:-$root/build/pipelines/$name}
  launch_check
}

launch_check() {
  local file
  [[ "$seconds" =~ ^[1-9][0-9]{0,5}$|^$ ]] || launch_fail "--seconds $seconds: expected a whole number from 1"
  [[ "$threshold" =~ ^[0-9]*\.?[0-9]+$|^$ ]] || launch_fail "--threshold $threshold: expected a number from 0 to 1"
  for file in "$model" "$classify_model"; do
    [ -z "$file" ] || [ -e "$file" ] || launch_fail "no such model: $file (expected .onnx, .xml, or a folder with one of them)"
  done
  [ "${#inputs[@]}" -le "$most_inputs" ] || launch_fail "${#inputs[@]} inputs: expected $most_inputs at most, see --help"
  for file in "${inputs[@]}"; do
    launch_check_input "$file"
  done
  if [ -z "$model" ]; then
    model=$root/pipelines/clocks/find-characters.onnx
    classify_model=${classify_model:-$root/pipelines/clocks/read-characters.onnx}
    overlay+=(show-confidence=false) # the clock's characters stand close
  fi
}

launch_check_input() {
  local cameras=(/dev/video*)
  case "$1" in
    test|*://*) ;;
    /dev/*)
      [ -e "${cameras[0]}" ] || cameras=(none)
      [ -e "$1" ] || launch_fail "no camera at $1 (there are: ${cameras[*]}); 'test' is the embedded one" ;;
    *) [ -f "$1" ] || launch_fail "no such file: $1" ;;
  esac
}

# `source`: decoded pictures of input $1 (a file, URI, device, or test: the embedded camera number $2).
# $3: properties of the embedded camera.
launch_source() {
  case "$1" in
    test) launch_clock "$2" "${3:-}" ;;
    rtsp://*|rtsps://*) source=(rtspsrc "location=$1" protocols=tcp latency=200 ! decodebin) ;;
    *://*) source=(uridecodebin "uri=$1") ;;
    /dev/*) source=(v4l2src "device=$1" ! decodebin) ;;
    *) source=(filesrc "location=$1" ! decodebin) ;;
  esac
}

# The embedded camera: clock top left, camera number bottom right (pipelines/clocks/README.md).
launch_clock() {
  local length=${seconds:-$default_seconds} pattern=${clock_patterns[$(($1 % ${#clock_patterns[@]}))]}
  source=(videotestsrc "pattern=$pattern")
  [ "$length" = 0 ] || source+=("num-buffers=$((length * clock_rate))")
  [ -z "$2" ] || source+=("$2")
  source+=(! "video/x-raw,format=I420,width=640,height=360,framerate=$clock_rate/1" !
    timeoverlay "${clock_text[@]}" time-mode=running-time halignment=left valignment=top !
    textoverlay "text=#$1" "${clock_text[@]}" halignment=right valignment=bottom ! video/x-raw)
}

# `inference`: both networks for the stream named $1.
launch_inference() {
  inference=(inferdetect "model=$model")
  [ -z "$labels" ] || inference+=("labels=$labels")
  [ -z "$model_proc" ] || inference+=("model-proc=$model_proc")
  [ -z "$threshold" ] || inference+=("threshold=$threshold")
  local common=("stream=$1")
  [ -z "$device" ] || common+=("device=$device")
  inference+=("${common[@]}")
  [ -n "$classify_model" ] || return 0
  inference+=(! inferclassify "model=$classify_model")
  [ -z "$classify_proc" ] || inference+=("model-proc=$classify_proc")
  inference+=("${common[@]}")
}

launch_has_element() {
  gst-inspect-1.0 --exists --atleast-version=0.0.0 "$1" 2>/dev/null
}

# `encoder`: H.264 by the first encoder that is there; each to be had on Debian 12 and 13.
launch_encoder() {
  if launch_has_element x264enc; then
    encoder=(x264enc speed-preset=veryfast tune=zerolatency bitrate=3000 key-int-max=50)
  elif launch_has_element openh264enc || [ -n "$print" ]; then
    encoder=(openh264enc complexity=low bitrate=3000000 gop-size=50)
  else
    launch_fail "no H.264 encoder: install gstreamer1.0-plugins-bad (openh264enc) or gstreamer1.0-plugins-ugly (x264enc)"
  fi
  encoder=(videoconvert ! video/x-raw,format=I420 ! "${encoder[@]}" ! h264parse)
}

# `show`: a window with --view, else the video file $1.
launch_show() {
  if [ -n "$view" ]; then
    show=(videoconvert ! autovideosink)
  else
    launch_encoder
    show=("${encoder[@]}" ! mp4mux ! filesink "location=$1")
  fi
}

# Every element of the words is there, or it is said which package has it. Properties, caps and pads are no plain words.
launch_check_elements() {
  local word package
  for word in "$@"; do
    [[ "$word" =~ ^[a-z][a-z0-9]*$ ]] && ! launch_has_element "$word" || continue
    package=$(grep -o "\b$word:[^ ]*" <<<"$launch_packages")
    package=${package#*:}
    launch_fail "no element '$word': install ${package:-gstreamer1.0-plugins-base}"
  done
}

# Further packages $*, the build, the plugin's place and the results' folder; nothing with --print.
launch_setup() {
  [ -z "$print" ] || return 0
  # shellcheck disable=SC2086
  [ -n "$build" ] || { weir_packages $weir_build_packages $weir_run_packages $weir_launch_packages "$@" &&
    weir_build "$root/build"; } || exit 1
  [ -e "$plugins/libgstweir.so" ] || launch_fail "no plugin in $plugins"
  export GST_PLUGIN_PATH="$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
  [ "$output" = - ] || mkdir -p "$output" || exit 1
}

# The words as a shell reads them: each element and each branch begins a line.
launch_print() {
  local word last="" text="GST_PLUGIN_PATH=$plugins gst-launch-1.0 -e"
  for word in "$@"; do
    if [ "$last" = ! ] || { [ -n "$last" ] && [[ "$word" =~ ^[a-z][a-z0-9]*$ ]]; }; then
      text+=$' \\\n '
    fi
    last=$word
    word=${word/=.\//=}
    [[ "$word" =~ ^[A-Za-z0-9_./:=,+!@%-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
    text+=" $word"
  done
  echo "$text"
}

# Prints the words, or runs them: an input without an end is ended after --seconds.
launch_run() {
  local limit=() input
  if [ -n "$print" ]; then
    launch_print "$@"
    return 0
  fi
  launch_check_elements "$@"
  for input in "${inputs[@]}"; do
    [ -z "$seconds" ] || [ "$input" = test ] || limit=(timeout --signal=INT --preserve-status "$seconds")
  done
  "${limit[@]}" gst-launch-1.0 -e -q "$@" || exit 1
}

# Says where the results $* are.
launch_report() {
  local file
  [ -z "$print" ] || return 0
  for file in "$@"; do
    [ ! -e "$output/$file" ] || echo "$output/$file"
  done
}
