package shape

import "testing"

// Plurals are Pulumi's, for words of each kind that occurs in the mapped types.
func TestPlural(t *testing.T) {
	for word, want := range map[string]string{
		"env": "envs", "dns_search": "dns_searches", "capability": "capabilities", "networks": "networks",
		"tmpfs": "tmpfs", "ip_address": "ip_addresses", "alias": "aliases", "security_opts": "security_opts",
		"status": "statuses", "key": "keys",
	} {
		if got := plural(word); got != want {
			t.Errorf("plural(%q) = %q, want %q", word, got, want)
		}
	}
	if got := camel("memory_swap_max"); got != "memorySwapMax" {
		t.Errorf("camel: %q", got)
	}
}
