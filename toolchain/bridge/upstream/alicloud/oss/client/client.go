// Package client stands in for the OSS request signer, which the provider uses in one place.
package client

import (
	"errors"

	spi "github.com/alibabacloud-go/alibabacloud-gateway-spi/client"
)

// NewClient refuses: this build of the provider cannot sign OSS calls.
func NewClient() (spi.ClientInterface, error) {
	return nil, errors.New(
		"this build of the alicloud provider has no OSS request signer, so OSS resources cannot be managed with it; " +
			"use the official alicloud plugin for them",
	)
}
