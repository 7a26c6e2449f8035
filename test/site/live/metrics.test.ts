import { describe, expect, it } from 'vitest';
import { parseMetrics, sumOf } from '../../../src/site/live/metrics.ts';

describe('when the metrics of a server are read', () => {
  it('has every sample with its labels, and sums those of several engines', () => {
    const metrics = parseMetrics(
      [
        '# HELP vllm:num_requests_running Number of requests',
        '# TYPE vllm:num_requests_running gauge',
        'vllm:num_requests_running{engine="0",model_name="a\\"}b"} 2.0',
        'vllm:num_requests_running{engine="1"} 1e0 1795989754995',
        'llamacpp:requests_processing 3\r',
      ].join('\n'),
    );
    expect(sumOf(metrics, 'gone', 'vllm:num_requests_running')).toBe(3);
    expect(sumOf(metrics, 'llamacpp:requests_processing')).toBe(3);
    expect(metrics.get('vllm:num_requests_running')?.[0]?.labels).toEqual({
      engine: '0',
      model_name: 'a\\"}b',
    });
  });

  it.each(['', 'a', 'a NaN', 'a +Inf', 'a{b="c" 1', '1a 1', 'a 1 2 3', '<html>', '{} 1', 'a\0 1'])(
    'leaves out what is none: %j',
    (text) => {
      expect([...parseMetrics(text)]).toEqual([]);
    },
  );

  it('reads a flood of lines and one endless line in time', () => {
    const flood = 'a{b="c"} 1\n'.repeat(90_000);
    expect(sumOf(parseMetrics(flood), 'a')).toBe(50_000);
    expect(parseMetrics(`a{${'b="c",'.repeat(150_000)}`).size).toBe(0);
    expect(parseMetrics(`a{${'\\"'.repeat(500_000)}} x`).size).toBe(0);
  });
});
