#!/bin/sh
# Makes the environment of the peers: peers_environment.sh PYTHON FOLDER
# It sees the packages of the project's own environment and so runs the same PyTorch; what anomalib
# wants otherwise (such as a newer numpy) is installed into FOLDER alone.
set -eu
python="$1"
folder="$2"
"$python" -m venv "$folder"
site='import sysconfig; print(sysconfig.get_path("purelib"))'
"$python" -c "$site" > "$("$folder/bin/python" -c "$site")/project.pth"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check 'anomalib==2.7.0' >&2
touch "$folder/.ready"
