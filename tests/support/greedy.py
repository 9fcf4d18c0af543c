"""Inside the engine's root: what one machine says to the tests' question; the last line is JSON."""

import json
import os

os.environ.update(
    VLLM_CPU_OMP_THREADS_BIND="nobind",
    OMP_NUM_THREADS="1",
    HF_HUB_OFFLINE="1",
    VLLM_NO_USAGE_STATS="1",
    TORCHDYNAMO_DISABLE="1",
    VLLM_ENABLE_V1_MULTIPROCESSING="0",
)

from vllm import LLM, SamplingParams  # type: ignore[import-not-found]  # only the engine has it

if __name__ == "__main__":
    engine = LLM(
        "/mnt/model",
        max_model_len=512,
        max_num_seqs=4,
        kv_cache_memory_bytes=67108864,
        dtype="float32",
        enforce_eager=True,
    )
    chat = [{"role": "user", "content": "Say hello."}]
    said = engine.chat(chat, SamplingParams(temperature=0, max_tokens=12))
    print(json.dumps(said[0].outputs[0].text))
