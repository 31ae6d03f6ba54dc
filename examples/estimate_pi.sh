#!/bin/sh
#KOTTA jobname: Estimate pi
#KOTTA walltime: 5
#KOTTA outputs: pi.txt
#KOTTA env: {SAMPLES: 100000}

# One job: kotta submit examples/estimate_pi.sh --wait
# Many, each with a seed of its own: kotta submit examples/estimate_pi.sh --sweep seed=1..4 --wait

awk -v seed="${KOTTA_PARAM_seed:-1}" -v samples="$SAMPLES" 'BEGIN {
    srand(seed)
    for (i = 0; i < samples; i++) {
        x = rand(); y = rand()
        if (x * x + y * y <= 1) inside++
    }
    printf "%.2f\n", 4 * inside / samples
}' > pi.txt
cat pi.txt
