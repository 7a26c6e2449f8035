// Takes the place of the file of this name in github.com/google/nftables: a rule sends packets to a queue by the target
// NFQUEUE of x_tables, which kernels without nft_queue have too (CONFIG_NFT_QUEUE is not set, CONFIG_NFT_COMPAT and
// CONFIG_NETFILTER_XT_TARGET_NFQUEUE are). The kernel lists either as `queue`.
package expr

import (
	"encoding/binary"
	"errors"

	"github.com/google/nftables/xt"
)

// QueueFlag is the `flags` of struct xt_NFQ_info_v3 (linux/netfilter/xt_NFQUEUE.h).
type QueueFlag uint16

// QueueFlagBypass accepts packets while no program reads the queue.
const QueueFlagBypass QueueFlag = 1

// Queue sends a packet to a program, which decides about it.
type Queue struct {
	Num   uint16
	Total uint16
	Flag  QueueFlag
}

func (q *Queue) target() *Target {
	info := xt.Unknown{}
	for _, each := range []uint16{q.Num, max(q.Total, 1), uint16(q.Flag)} {
		info = binary.NativeEndian.AppendUint16(info, each)
	}
	return &Target{Name: "NFQUEUE", Rev: 3, Info: &info}
}

func (q *Queue) marshal(family byte) ([]byte, error) { return q.target().marshal(family) }

func (q *Queue) marshalData(family byte) ([]byte, error) { return q.target().marshalData(family) }

func (q *Queue) unmarshal(byte, []byte) error {
	return errors.New("rules with a queue are only written")
}
