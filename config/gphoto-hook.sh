#!/bin/sh
# For gphoto2's --hook-script: each photo that has arrived in the inbox is cut next. See docs/camera-import.md.
#
# gphoto2 waits for its hook, and so does the camera: this one asks in the background and returns at once. The file is
# still open for writing here, so it is only named, never read; the daemon waits for its end by itself. Without a daemon, or
# when this fails, the photo lies in the inbox and is found there.
case "$ACTION" in
init)
    timeout 5 "${BGZERO:-bgzero}" status >/dev/null 2>&1 || echo "bgzero does not run: photos wait in the inbox" >&2
    ;;
download)
    case "$ARGUMENT" in
    /*) photo=$ARGUMENT ;;
    *) photo=$PWD/$ARGUMENT ;;
    esac
    "${BGZERO:-bgzero}" add -- "$photo" </dev/null >/dev/null 2>&1 &
    ;;
esac
exit 0
