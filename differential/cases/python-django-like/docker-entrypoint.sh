#!/bin/sh
set -e
[ "$1" = python3 ] && python3 manage.py migrate --noinput
exec "$@"
