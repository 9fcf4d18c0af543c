module tandem.local/toolchain/bridge/upstream/alicloud

go 1.26

require github.com/aliyun/terraform-provider-alicloud v1.285.0

// The OSS signer can't be had from the module registry; oss/ stands in for it and refuses.
replace github.com/alibabacloud-go/alibabacloud-gateway-oss => ./oss
