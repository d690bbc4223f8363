// histogram(values: u4[9]) -> (bins: i32[16])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module histogram (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // values: 9 words of u4
    output logic               values_ren,
    output logic [3:0]         values_raddr,
    input  logic [3:0]         values_rdata,

    // bins: 16 words of i32
    output logic               bins_ren,
    output logic [3:0]         bins_raddr,
    input  logic signed [31:0] bins_rdata,
    output logic               bins_wen,
    output logic [3:0]         bins_waddr,
    output logic signed [31:0] bins_wdata
);
  logic       start_i;
  logic [2:1] last_i;  // the stage that holds the last iteration

  // ----------------------------------------------------------------------- the run (designs.py:83)
  logic accepted;

  assign accepted = start && !busy;

  always_ff @(posedge clk) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (last_i[2]) begin
        busy <= 1'b0;
      end
      done <= last_i[2];
    end
  end

  // ------------------------- loop i: 16 iterations, one begins each cycle, 1 stage (designs.py:84)
  localparam logic [3:0] LAST_I = 4'd15;
  logic       i_last;
  logic [3:0] i;
  logic       run_i;  // iterations begin

  assign i_last = i == LAST_I;

  always_ff @(posedge clk) begin
    if (rst) begin
      i <= 4'd0;
      run_i <= 1'b0;
    end else begin
      if (run_i) i <= i + 4'd1;
      if (accepted) begin
        run_i <= 1'b1;
      end else if (start_i) begin
        run_i <= 1'b0;
      end
    end
  end

  // --------------------- loop i: 9 iterations, one begins every 2 cycles, 3 stages (designs.py:85)
  localparam logic LAST_PHASE = 1'b1;
  localparam logic [3:0] LAST_I_1 = 4'd8;
  logic               turn_i;
  logic               issue_i;
  logic               i_last_1;
  logic signed [31:0] bins_;
  logic               phase_i;  // counts the cycles between two iterations
  logic [3:0]         i_1;
  logic               run_i_1;  // iterations begin
  logic [2:1]         valid_i;  // the stages that hold an iteration
  logic [3:0]         values;

  assign start_i = run_i && i_last;
  assign turn_i = phase_i == LAST_PHASE;
  assign issue_i = run_i_1 && (phase_i == 1'b0);
  assign i_last_1 = i_1 == LAST_I_1;

  // designs.py:86: bins[values[i]] += 1
  assign bins_ = bins_rdata + 32'sd1;

  always_ff @(posedge clk) begin
    if (rst) begin
      run_i_1 <= 1'b0;
      last_i <= '0;
      valid_i <= '0;
    end else begin
      if (start_i) begin
        run_i_1 <= 1'b1;
      end else if (turn_i && i_last_1) begin
        run_i_1 <= 1'b0;
      end
      last_i <= {last_i[1], issue_i && i_last_1};
      valid_i <= {valid_i[1], issue_i};
    end
  end

  // designs.py:85, 86
  always_ff @(posedge clk) begin
    if (start_i) begin
      phase_i <= 1'b0;
      i_1 <= 4'd0;
    end else if (run_i_1) begin
      phase_i <= turn_i ? 1'b0 : phase_i + 1'b1;
      if (turn_i) i_1 <= i_1 + 4'd1;
    end
    if (valid_i[1]) values <= values_rdata;
  end

  // ----------------------------------------------------------------------------------------- ports
  assign values_raddr = i_1;
  assign values_ren = issue_i;
  assign bins_raddr = values_rdata;
  assign bins_ren = valid_i[1];
  assign bins_waddr = run_i ? i : values;
  assign bins_wdata = run_i ? 32'sd0 : bins_;
  assign bins_wen = run_i || valid_i[2];
endmodule
