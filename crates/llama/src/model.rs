//! The whole network: embedding, decoder layers, final norm, head.

use std::path::Path;

use formats::weights::FILE;
use formats::{Config, Linear, LlamaError, ModelSource};
use tch::{Kind, Tensor, no_grad};

use crate::block::{Block, rms_norm};
use crate::placement::Placement;
use crate::projection::product;
use crate::rotary::Rotary;
use crate::{init, weights};

/// A Llama.
#[derive(Debug)]
pub struct Llama {
    /// Its shape.
    pub config: Config,
    /// Where it lies and in what it computes.
    pub placement: Placement,
    /// `[vocabulary, hidden]`.
    pub embed_tokens: Tensor,
    /// The decoder layers.
    pub blocks: Vec<Block>,
    /// The final norm.
    pub norm: Tensor,
    /// `[vocabulary, hidden]`; absent when the config ties it to `embed_tokens`.
    pub lm_head: Option<Tensor>,
    /// Position encoding.
    pub rotary: Rotary,
}

impl Llama {
    /// A model with weights from `tensor`, which is asked once for each of [`Config::tensors`].
    pub fn assemble<E>(
        config: &Config,
        placement: Placement,
        mut tensor: impl FnMut(&str, &[i64]) -> Result<Tensor, E>,
    ) -> Result<Llama, E> {
        let mut get = |name: String, shape: Vec<i64>| Ok(placement.place(&tensor(&name, &shape)?));
        let vocabulary = vec![config.vocab_size, config.hidden_size];
        let norm = || vec![config.hidden_size];
        let embed_tokens = get("model.embed_tokens.weight".to_owned(), vocabulary.clone())?;
        let mut blocks = Vec::new();
        for layer in 0..config.num_hidden_layers {
            let mut linears = Vec::with_capacity(Linear::ALL.len());
            for linear in Linear::ALL {
                linears.push(get(linear.tensor_name(layer), linear.shape(config))?);
            }
            let linears = linears.try_into().expect("as many as Linear::ALL");
            let norms = [
                get(format!("model.layers.{layer}.input_layernorm.weight"), norm())?,
                get(format!("model.layers.{layer}.post_attention_layernorm.weight"), norm())?,
            ];
            blocks.push(Block::new(config, norms, linears));
        }
        let final_norm = get("model.norm.weight".to_owned(), norm())?;
        let lm_head = match config.tie_word_embeddings {
            true => None,
            false => Some(get("lm_head.weight".to_owned(), vocabulary)?),
        };
        let rotary = Rotary::new(config, placement);
        Ok(Llama { config: config.clone(), placement, embed_tokens, blocks, norm: final_norm, lm_head, rotary })
    }

    /// A model with fresh weights; the same on every machine for one seed.
    pub fn init(config: &Config, seed: u64, placement: Placement) -> Llama {
        let mut fresh = init::Fresh::new(config, seed);
        let Ok(model) = Llama::assemble(config, placement, |name, shape| {
            Ok::<_, std::convert::Infallible>(fresh.tensor(name, shape))
        });
        model
    }

    /// Reads the model in `directory`.
    pub fn load(directory: &Path, placement: Placement) -> Result<Llama, LlamaError> {
        Llama::read(&ModelSource::open(directory)?, placement)
    }

    /// Reads a model, one tensor at a time.
    pub fn read(source: &ModelSource, placement: Placement) -> Result<Llama, LlamaError> {
        Llama::assemble(&source.config, placement, |name, shape| weights::tensor(source, name, shape))
    }

    /// Writes `config.json` and `model.safetensors` into `directory`; the same bytes for the same weights.
    pub fn save(&self, directory: &Path) -> Result<(), LlamaError> {
        self.config.save(directory)?;
        weights::save(&self.tensors(), &directory.join(FILE))
    }

    /// Every weight with its name, in the order of [`Config::tensors`].
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = self.config.tensors().into_iter().map(|(name, _)| name);
        let mut all = Vec::new();
        let mut push = |tensor: &Tensor| {
            let name = tensors.next().expect("Config::tensors names every weight");
            all.push((name, tensor.shallow_clone()));
        };
        push(&self.embed_tokens);
        for block in &self.blocks {
            Linear::ALL.iter().for_each(|linear| push(block.weight(*linear)));
            push(&block.input_layernorm);
            push(&block.post_attention_layernorm);
        }
        push(&self.norm);
        self.lm_head.iter().for_each(push);
        all
    }

    /// As [`Llama::tensors`], to be replaced.
    pub fn tensors_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        let names = self.config.tensors().into_iter().map(|(name, _)| name);
        let blocks = self.blocks.iter_mut().flat_map(Block::tensors_mut);
        let all =
            std::iter::once(&mut self.embed_tokens).chain(blocks).chain([&mut self.norm]).chain(&mut self.lm_head);
        names.zip(all).collect()
    }

    /// Computes in `kind` from now on. The weights keep their type, and the gradients of those under training keep fp32.
    pub fn compute_in(&mut self, kind: Kind) {
        self.placement.kind = kind;
        self.rotary = Rotary::new(&self.config, self.placement);
    }

    /// Logits `[batch, time, vocabulary]` for `ids` `[batch, time]`, rows padded on the right.
    pub fn forward(&self, ids: &Tensor) -> Tensor {
        self.head(&self.hidden(ids))
    }

    /// The last layer's output `[batch, time, hidden]`, before the final norm.
    pub fn hidden(&self, ids: &Tensor) -> Tensor {
        let angles = self.rotary.first(ids.size()[1]);
        self.blocks.iter().fold(self.embed(ids), |x, block| block.forward(&x, &angles))
    }

    /// As [`Llama::hidden`], only for the rows `rows` of the flattened batch: `[rows, hidden]`.
    pub fn hidden_rows(&self, ids: &Tensor, rows: &Tensor) -> Tensor {
        let angles = self.rotary.first(ids.size()[1]);
        let (last, others) = self.blocks.split_last().expect("a config has one layer or more");
        let x = others.iter().fold(self.embed(ids), |x, block| block.forward(&x, &angles));
        last.forward_rows(&x, &angles, rows)
    }

    /// The inputs of every layer, for [`Llama::backward_rows`] to compute the rest again: all that has to be kept meanwhile.
    pub fn inputs(&self, ids: &Tensor) -> Vec<Tensor> {
        let angles = self.rotary.first(ids.size()[1]);
        no_grad(|| {
            let mut inputs = vec![self.embed(ids)];
            for block in &self.blocks[..self.blocks.len() - 1] {
                inputs.push(block.forward(&inputs[inputs.len() - 1], &angles));
            }
            inputs
        })
    }

    /// A backward pass that keeps the activations of one layer at a time and computes them again for it. `inputs` are those of the
    /// layers; `from_rows` is given what [`Llama::hidden_rows`] gives and starts the pass. The gradients are those of a pass without
    /// this, bit by bit.
    pub fn backward_rows(&self, ids: &Tensor, rows: &Tensor, mut inputs: Vec<Tensor>, from_rows: impl FnOnce(&Tensor)) {
        let angles = self.rotary.first(ids.size()[1]);
        let start = |inputs: &mut Vec<Tensor>| {
            let input = inputs.pop().expect("one for each layer");
            input.detach().set_requires_grad(true)
        };
        let (last, others) = self.blocks.split_last().expect("a config has one layer or more");
        let mut input = start(&mut inputs);
        from_rows(&last.forward_rows(&input, &angles, rows));
        for block in others.iter().rev() {
            let gradient = input.grad();
            input = start(&mut inputs);
            send_back(&block.forward(&input, &angles), &gradient);
        }
        if self.embed_tokens.requires_grad() {
            send_back(&self.embed(ids), &input.grad());
        }
    }

    /// The first layer's input `[batch, time, hidden]`.
    pub fn embed(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.embed_tokens, ids, -1, false, false).to_kind(self.placement.kind)
    }

    /// Final norm and head, on `[.., hidden]`.
    pub fn head(&self, x: &Tensor) -> Tensor {
        product(&self.final_norm(x), self.head_weight())
    }

    /// What the head reads, from the last layer's output.
    pub fn final_norm(&self, x: &Tensor) -> Tensor {
        rms_norm(x, &self.norm, self.config.rms_norm_eps)
    }

    /// `[vocabulary, hidden]`: the embedding where the config ties them.
    pub fn head_weight(&self) -> &Tensor {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }
}

/// Goes on with a backward pass at `tensor`, to which it came with `gradient`.
pub fn send_back(tensor: &Tensor, gradient: &Tensor) {
    (tensor * gradient).sum(Kind::Float).backward();
}
