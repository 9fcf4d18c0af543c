"""A stand-in for SGLang's launcher: its words and rules (ServeArgs of 0.5.23), no computing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import stand_in  # type: ignore[import-not-found]  # beside this folder

words = stand_in.parser("sglang.launch_server")
for name in ("--model-path", "--served-model-name", "--host"):
    words.add_argument(name, required=True)
for name in ("--tensor-parallel-size", "--pipeline-parallel-size", "--port"):
    words.add_argument(name, type=int, required=True)
for name in ("--dp-size", "--ep-size"):
    words.add_argument(name, type=int, default=1)
words.add_argument("--context-length", type=int)
words.add_argument("--nnodes", type=int, default=1)
words.add_argument("--node-rank", type=int, default=0)
words.add_argument("--dist-init-addr", default="")
words.add_argument("--mem-fraction-static", type=float)
for name in ("--trust-remote-code", "--enable-metrics", "--enable-cache-report", "--enable-dp-attention"):
    words.add_argument(name, action="store_true")
args = words.parse_args()
world = args.tensor_parallel_size * args.pipeline_parallel_size
if world % args.nnodes:
    stand_in.refuse("tp_size * pp_size must be divisible by number of nodes")
if args.tensor_parallel_size % args.dp_size or args.tensor_parallel_size % args.ep_size:
    stand_in.refuse("tp_size must be divisible by dp_size and ep_size")
if args.dp_size > 1 and not args.enable_dp_attention:
    stand_in.refuse("data-parallel replicas need machines of their own: here they are attention's")
stand_in.check_gpus(world // args.nnodes)
stand_in.check_model(args.model_path)
stand_in.check_network("SGLANG_HOST_IP", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
same = [word for word in sys.argv[1:] if not word.startswith("--node-rank")]
if args.nnodes > 1:
    stand_in.meet(args.dist_init_addr, args.node_rank, args.nnodes, same)
stand_in.serve(args.host, args.port, args.served_model_name, f"stand-in of sglang: {args.nnodes} nodes, {world} ranks")
