"""A local Alibaba Cloud: ECS, VPC, NAS and what a client asks around them, over HTTP on loopback."""
