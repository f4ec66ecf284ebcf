# Shared by every script under ci/ and by ./pionbench: where things are. Source it; it defines, it does nothing.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${PIONBENCH_VENV:-$root/.venv}
say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 70; }
have() { command -v "$1" >/dev/null 2>&1; }
cores() { nproc 2>/dev/null || echo 1; }

# The Debian packages behind each need (docs/architecture.md says what each is for).
debian_packages=(
  cmake ninja-build ccache g++ git python3 python3-venv
  libcli11-dev libspdlog-dev nlohmann-json3-dev libyaml-cpp-dev libsqlite3-dev libssl-dev
  libboost-dev libboost-filesystem-dev libboost-system-dev
  libutf8proc-dev libpcre2-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  libcpp-httplib-dev
  libhdf5-dev zlib1g-dev libosmesa6 libegl1
)
# What only tests need: a private Slurm (3.5 MB). Its test needs root, so nobody else is made to install a cluster's
# daemons (slurmctld and slurmd stay off for want of a configuration). Chromium for the tests of the dashboard, with
# a font: 115 MB, under a minute. And clang for the fuzz targets: 50 MB.
test_debian_packages=(slurm-wlm chromium fonts-dejavu-core clang libclang-rt-14-dev)
# torch is added by ci/setup only where none is importable: 2.11 to 2.13 are supported.
torch_requirement='torch==2.13.0'
python_packages=(
  'numpy<3' 'mujoco==4.0.0' 'h5py>=3.8,<4' 'vl-convert-python>=1.7,<2' 'jsonschema>=4,<5' 'tokenizers>=0.20,<0.23'
)
# Peers that only tests compare with: ci/setup --parity adds them, ci/test does so first.
parity_packages=('transformers>=4.51,<6' 'scipy>=1.11,<2')
