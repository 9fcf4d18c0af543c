#!/usr/bin/env bash
# Compiles the server and the RPC server; programs that need nothing beside the C library and CUDA's own.
# ARCHITECTURES: compute capabilities, such as 86 or 86;89; without them, and without nvcc, for processors.
# shellcheck source=components/serving/images/common/lib.sh
. "$(dirname "$0")/lib.sh"

cd /opt/llamacpp
options=(-DGGML_CUDA=OFF)
if command -v nvcc >/dev/null; then
  options=(-DGGML_CUDA=ON)
  if [[ -n $ARCHITECTURES ]]; then options+=("-DCMAKE_CUDA_ARCHITECTURES=$ARCHITECTURES"); fi
  # libcuda itself comes with the driver when the container starts.
  export LIBRARY_PATH=/usr/local/cuda/lib64/stubs${LIBRARY_PATH:+:$LIBRARY_PATH}
  ln -sf libcuda.so /usr/local/cuda/lib64/stubs/libcuda.so.1
  options+=("-DCMAKE_EXE_LINKER_FLAGS=-static-libstdc++ -static-libgcc -Wl,-rpath-link,/usr/local/cuda/lib64/stubs")
else
  options+=("-DCMAKE_EXE_LINKER_FLAGS=-static-libstdc++ -static-libgcc")
fi
# GGML_NATIVE off: an image may be carried to another machine; every x86-64 processor since 2013 has AVX2.
cmake -S source/llama.cpp -B out -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
  -DGGML_RPC=ON -DGGML_NATIVE=OFF -DGGML_CCACHE=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_CURL=OFF \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
  -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF "${options[@]}" || give_up 44 "cmake failed"
cmake --build out --target llama-server ggml-rpc-server || give_up 44 "the compiler failed"
mkdir -p bin
for program in llama-server ggml-rpc-server; do
  strip -o "bin/$program" "out/bin/$program"
done
rm -rf out source
