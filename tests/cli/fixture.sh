# SPDX-License-Identifier: Apache-2.0
# What several cases use, made once in $FIXTURE (the current folder): small pictures, two checkpoints, a bank.
"$RENDER" pictures --size 160 --train 4 --good 2 --bad 6
"$DINOPATCH" model synth --arch demo --out model.safetensors
"$DINOPATCH" model synth --arch demo --seed 2 --out other.safetensors
"$DINOPATCH" fit --method dinopatch --quiet --model model.safetensors --bank good.bank --canvas 112x224 --threads 1 pictures/screw/train/good
